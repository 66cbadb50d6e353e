package proxy

import (
	"context"
	"slices"
	"time"

	"tiercache/shared/cachekey"
	"tiercache/shared/flight"
	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// take decides about a full response: shared and stored, or for the leader alone.
func (j *fill) take(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result], response *Response, started, received time.Time) (keep bool) {
	meta := httpcache.NewMeta(response.Status, response.Header, started, received)
	reason := httpcache.Storable(&j.parsed, &meta, response.Header, &j.rules)
	if reason == httpcache.ReasonNone && response.Length > j.p.cfg.MaxObject {
		reason = httpcache.ReasonTooLarge
	}
	fields, status := j.p.replyFields(response, &meta)
	res := &result{
		fwd: j.fwd, fwdStatus: response.Status, reason: reason, status: status,
		outcome: httpcache.Miss, length: response.Length,
	}
	if reason != httpcache.ReasonNone {
		return j.alone(ctx, cancel, f, res, response, fields, meta)
	}
	names, _ := httpcache.ParseVary(response.Header) // Storable has refused a star
	key := j.variantKey(ctx, &names)
	res.head = object.Head{
		Kind: object.KindResponse, Key: string(key), Meta: meta,
		Fields: object.MakeBlock(fields), Selecting: names,
	}
	j.stream(ctx, f, res, response)
	return false
}

// alone hands the response to the leader and sets all others free. For a while requests for this key
// do not wait for each other, unless it was this one request that made the response unfit.
func (j *fill) alone(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result], res *result, response *Response, fields httpcache.Fields, meta httpcache.Meta) (keep bool) {
	j.p.stats.notStored(res.reason)
	if !res.reason.OfRequest() && !httpcache.ErrorStatus(response.Status) {
		j.markHitForMiss(ctx, &meta)
	}
	if j.background {
		j.closeBody(response)
		return false
	}
	response.Body = &ownedBody{ReadCloser: response.Body, done: func() {
		cancel(nil)
		j.release()
	}}
	res.solo = &soloResponse{response: response, fields: fields, meta: meta}
	f.Detach()
	f.Publish(res)
	return true
}

func (j *fill) markHitForMiss(ctx context.Context, meta *httpcache.Meta) {
	head := object.Head{Kind: object.KindHitForMiss, Key: string(j.looked), Meta: *meta}
	digest := cachekey.Digest(j.looked)
	if err := j.p.store.Store(ctx, string(digest[:]), object.AppendEntry(nil, &head, nil), hitForMissTTL); err != nil {
		j.p.stats.StoreErrors.Add(1)
	}
}

// variantKey is the key that the response is stored under. A response with Vary gets a list of the
// selecting fields at its primary key first, so that a request for another variant finds it there.
func (j *fill) variantKey(ctx context.Context, names *[]string) []byte {
	if len(*names) == 0 {
		return j.primary
	}
	*names = j.listVariants(ctx, *names)
	return cachekey.AppendVariant(nil, j.primary, *names, func(name string) (string, bool) {
		return httpcache.SelectingValue(j.header, name)
	})
}

// listVariants stores the union of the names with those that are listed already: variants stored
// earlier stay in reach as long as no new name is added.
func (j *fill) listVariants(ctx context.Context, names []string) []string {
	digest := cachekey.Digest(j.primary)
	key := string(digest[:])
	var listed object.Head
	if raw, err := j.p.store.Lookup(ctx, key); err == nil {
		if _, err := object.DecodeEntry(raw, &listed); err == nil && listed.Kind == object.KindVariants && listed.Key == string(j.primary) {
			union := append(slices.Clone(listed.Selecting), names...)
			slices.Sort(union)
			names = slices.Compact(union)
		}
	}
	if listed.Kind == object.KindVariants && slices.Equal(names, listed.Selecting) {
		return names
	}
	head := object.Head{Kind: object.KindVariants, Key: string(j.primary), Selecting: names}
	if err := j.p.store.Store(ctx, key, object.AppendEntry(nil, &head, nil), variantsTTL); err != nil {
		j.p.stats.StoreErrors.Add(1)
	}
	return names
}

// variantsTTL keeps a list of variants longer than what it leads to.
const variantsTTL = 30 * 24 * time.Hour
