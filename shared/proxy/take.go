package proxy

import (
	"context"
	"net/http"
	"slices"
	"time"

	"tiercache/shared/cachekey"
	"tiercache/shared/flight"
	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// take decides about a full response: shared and stored, or for the leader alone.
func (j *fill) take(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result], response *Response, started, received time.Time) (keep bool) {
	meta := httpcache.NewMeta(response.Status, response.Header, started, received)
	reason := httpcache.Storable(&j.parsed, &meta, response.Header, &j.rules)
	if reason == httpcache.ReasonNone && response.Length > j.p.cfg.MaxObject {
		reason = httpcache.ReasonTooLarge
	}
	scopes, why := j.p.scopesOf(j.service, j.request.Host, j.request.Target, response.Header)
	if reason == httpcache.ReasonNone {
		reason = why
	}
	vary, _ := httpcache.ParseVary(response.Header) // Storable refuses a star
	names, selectable := selectingNames(vary)
	if !selectable && reason == httpcache.ReasonNone {
		reason = httpcache.ReasonVaryStar
	}
	stands := j.judge(response, started, scopes)
	if j.behind(response, &stands) {
		return j.insist(ctx, cancel, f, response)
	}
	fields, status := j.p.replyFields(response, &meta)
	res := &result{
		fwd: j.fwd, fwdStatus: response.Status, reason: reason, status: status,
		outcome: httpcache.Miss, length: response.Length, live: isLive(response), begun: j.epoch,
	}
	res.head.Stamp, res.head.Scopes = stands.stamp, stands.scopes
	if reason != httpcache.ReasonNone {
		return j.alone(ctx, cancel, f, res, response, fields, meta)
	}
	key := j.variantKey(ctx, &names)
	res.head = object.Head{
		Kind: object.KindResponse, Key: string(key), Stamp: stands.stamp, Scopes: stands.scopes, Meta: meta,
		Fields: object.MakeBlock(fields), Selecting: names,
	}
	if stands.verdict == invalidation.Dead {
		// Those that asked before the purge may have it; who comes from now on needs another fill.
		res.reason = httpcache.ReasonPurged
		j.p.stats.notStored(res.reason)
		f.Detach()
	}
	j.stream(ctx, cancel, f, res, response)
	return false
}

// alone hands the response to the leader and sets all others free. For a while requests for this key
// do not wait for each other, unless it was this one request that made the response unfit.
func (j *fill) alone(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result], res *result, response *Response, fields httpcache.Fields, meta httpcache.Meta) (keep bool) {
	j.p.stats.notStored(res.reason)
	if j.marks(res.reason, response.Status) {
		j.markHitForMiss(ctx, &meta, &res.head)
	}
	if j.background {
		j.closeBody(response)
		f.Detach()
		f.Publish(&result{alone: true, fwd: j.fwd})
		return false
	}
	j.handOver()
	response.Body = &ownedBody{ReadCloser: response.Body, done: func() {
		cancel(nil)
		j.release()
	}}
	res.solo = &soloResponse{response: response, fields: fields, meta: meta, stamp: res.head.Stamp}
	f.Detach()
	f.Publish(res)
	return true
}

// marks reports whether a response that is not stored says that others of its key will not be either. What one
// request's fields have provoked must not take the place of what is stored.
func (j *fill) marks(reason httpcache.Reason, status int) bool {
	if reason.OfRequest() || httpcache.ErrorStatus(status) {
		return false
	}
	return j.stored == nil || status < http.StatusBadRequest
}

// handOver counts the exchange as a pass from now on, if there is room: how long it takes is up to one client,
// who must not hold up those that wait for a fill.
func (j *fill) handOver() {
	if release, ok := j.p.passes.acquire(j.ctx, j.service.Name, 0); ok {
		j.release()
		j.release = release
	}
}

// markHitForMiss stores the mark with the stamp and the scopes of the response: a purge ends it too.
func (j *fill) markHitForMiss(ctx context.Context, meta *httpcache.Meta, of *object.Head) {
	head := object.Head{Kind: object.KindHitForMiss, Key: string(j.looked), Meta: *meta, Stamp: of.Stamp, Scopes: of.Scopes}
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
	list := j.listVariants(ctx, *names)
	*names = list.Selecting
	key := cachekey.AppendVariant(nil, j.primary, *names, func(name string) (string, bool) {
		return selectingValue(j.header, name)
	})
	return append(key, generationOf(&list)...)
}

// listVariants stores the union of the names with those that are listed already, and returns that list:
// variants stored earlier stay in reach as long as no new name is added.
func (j *fill) listVariants(ctx context.Context, names []string) object.Head {
	digest := cachekey.Digest(j.primary)
	key := string(digest[:])
	list := object.Head{Kind: object.KindVariants, Key: string(j.primary), Selecting: names}
	if listed, ok := j.listed(ctx, key); ok {
		union := append(slices.Clone(listed.Selecting), names...)
		slices.Sort(union)
		list.Selecting, list.BodyID = slices.Compact(union), listed.BodyID
		if slices.Equal(list.Selecting, listed.Selecting) {
			return list
		}
	} else if id, err := object.NewBodyID(j.p.random); err == nil {
		list.BodyID = id // without one, variants of an older list may come back into reach
	}
	if err := j.p.store.Store(ctx, key, object.AppendEntry(nil, &list, nil), variantsTTL); err != nil {
		j.p.stats.StoreErrors.Add(1)
	}
	return list
}

// listed is the list of variants that is stored already. One that has grown too long is made anew: names that
// responses do not mention any more only split what could be shared.
func (j *fill) listed(ctx context.Context, key string) (head object.Head, ok bool) {
	raw, err := j.p.store.Lookup(ctx, key)
	if err != nil {
		return head, false
	}
	if _, err := object.DecodeEntry(raw, &head); err != nil {
		return head, false
	}
	return head, head.Kind == object.KindVariants && head.Key == string(j.primary) && len(head.Selecting) < httpcache.MaxVaryNames
}

// variantsTTL keeps a list of variants longer than what it leads to.
const variantsTTL = 30 * 24 * time.Hour
