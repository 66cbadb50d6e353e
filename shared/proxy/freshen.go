package proxy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"tiercache/shared/flight"
	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// freshen updates the stored response by a 304 (RFC 9111, 4.3.4), stores it and publishes it. When
// the 304 is about another representation, forbids storing, or parts of the body are gone, the whole is
// fetched anew.
func (j *fill) freshen(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result], response *Response, started, received time.Time) (keep bool) {
	old := j.stored.head
	if isStale(response) || !selectedBy(&old, response.Header) {
		return j.again(ctx, cancel, f)
	}
	fields := freshened(&old, response.Header)
	scopes, why := j.retagged(&old, response, fields)
	if !sameSelection(fields, old.Selecting) {
		// It belongs to other requests than those that it is found by.
		j.p.discard(ctx, j.stored.key)
		return j.again(ctx, cancel, f)
	}
	applied := j.p.control.Applied()
	if j.p.control.Check(old.Stamp, old.Scopes) == invalidation.Dead {
		// A validator may be weak: that it still matches does not bring purged bytes back.
		return j.again(ctx, cancel, f)
	}
	stands := j.judge(response, started, scopes)
	if j.behind(response, &stands) {
		return j.insist(ctx, cancel, f, response)
	}
	// INVARIANT: bytes that a 304 confirms stand as of what this node had applied when it found them not purged,
	// at most. The next tier may know a purge that this node does not, and its new bytes may have the same
	// validator.
	stands.stamp = min(stands.stamp, applied)
	meta := newMeta(j.service, old.Meta.Status, fields, started, received)
	if j.service.SurrogateControl {
		meta.KeepTargeted(&old.Meta)
	}
	meta.Flags |= old.Meta.Flags&httpcache.FlagEncoded | response.Version
	clean, withheld, status := j.freshenedReply(response, fields, &meta)

	head := old
	head.Meta, head.Fields = meta, object.MakeBlock(clean)
	head.Stamp, head.Scopes = stands.stamp, stands.scopes
	if reason := cmp.Or(httpcache.Storable(&j.parsed, &meta, fields, &j.rules), why); reason != httpcache.ReasonNone {
		j.p.stats.notStored(reason)
		if !reason.OfRequest() {
			j.p.discard(ctx, j.stored.key)
		}
		return j.again(ctx, cancel, f)
	}
	j.learnSearch(clean, &head)
	res := j.storedResult(response.Status)
	res.head, res.status, res.outcome, res.live = head, status, httpcache.Revalidated, isLive(response)
	res.begun = started
	res.withheld = object.MakeBlock(withheld)
	res.asked, res.rules = stands.asked, j.service.Deciding(&j.ruling, meta.Status)
	if stands.verdict == invalidation.Dead || f.Voided() {
		// The 304 speaks of a time before the purge: good for those that asked before it, and not to be stored.
		res.reason = httpcache.ReasonPurged
		j.p.stats.notStored(res.reason)
		f.Detach()
		f.Publish(res)
		return false
	}
	return j.keep(ctx, cancel, f, res)
}

// freshenedReply are the fields to store and to reply with after a 304, which is merged into fields; what of the 304 is
// for the client alone whose request it answers; and what the tiers behind this one say.
func (j *fill) freshenedReply(response *Response, fields httpcache.Fields, meta *httpcache.Meta) (clean, withheld httpcache.Fields, status []string) {
	clean, _, status = j.p.replyFields(&Response{Header: fields, FromTier: response.FromTier}, meta)
	if j.rules.Forces(&j.parsed, meta) {
		meta.Force()
		return clean, nil, status // all are given the same
	}
	withheld = httpcache.WithheldOf304(response.Header, fields, meta)
	j.p.trim(&withheld)
	return clean, withheld, status
}

// selectedBy reports whether a 304 is about the stored response. One that this tier has encoded has the weak form of
// the entity tag of what came.
func selectedBy(old *object.Head, h httpcache.Header) bool {
	if old.Meta.Flags.Has(httpcache.FlagEncoded) {
		return httpcache.WeaklySelectedBy(old.Fields, h)
	}
	return httpcache.SelectedBy(old.Fields, h)
}

// freshened are the stored fields with those of the 304.
func freshened(old *object.Head, h httpcache.Header) httpcache.Fields {
	fields := httpcache.Freshen(old.Fields.Fields(), h)
	if old.Meta.Flags.Has(httpcache.FlagEncoded) {
		return httpcache.EncodedFields(fields, old.Fields.Value("Content-Encoding"))
	}
	return fields
}

// keep stores a freshened entry and publishes it.
func (j *fill) keep(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result], res *result) (keep bool) {
	head := res.head
	err := object.Freshen(ctx, j.p.store, j.stored.key, &head, j.stored.inline, j.keepFor(&head.Meta))
	switch {
	case errors.Is(err, object.ErrNotFound):
		j.p.lostBody(ctx, j.stored.key, err)
		return j.again(ctx, cancel, f)
	case err != nil:
		j.p.stats.StoreErrors.Add(1)
		res.reason = httpcache.ReasonStore
	}
	if f.Voided() { // since it was asked before: who voided it may have removed the older entry
		j.p.discard(ctx, j.stored.key)
	}
	f.Detach()
	f.Publish(res)
	return false
}

// sameSelection reports whether the requests that a response with these fields may answer are told apart by
// the names that it was stored with.
func sameSelection(fields httpcache.Fields, names []string) bool {
	vary, star := httpcache.ParseVary(fields)
	selecting, ok := selectingNames(vary)
	if star || !ok {
		return false
	}
	for _, name := range selecting {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// again makes the request without the condition, once.
func (j *fill) again(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result]) (keep bool) {
	j.stored = nil
	j.request.Header.Del("If-None-Match", "If-Modified-Since")
	return j.fetch(ctx, cancel, f)
}

// keepFor is how long the entry is worth keeping in the store: its lifetime, then for revalidation.
func (j *fill) keepFor(m *httpcache.Meta) time.Duration {
	return m.Lifetime(&j.rules) + j.p.cfg.KeepStale
}
