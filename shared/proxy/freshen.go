package proxy

import (
	"context"
	"errors"
	"time"

	"tiercache/shared/flight"
	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// freshen updates the stored response by a 304 (RFC 9111, 4.3.4), stores it and publishes it. When
// the 304 is about another representation, forbids storing, or parts of the body are gone, the whole is
// fetched anew.
func (j *fill) freshen(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result], response *Response, started, received time.Time) (keep bool) {
	old := j.stored.head
	if !httpcache.SelectedBy(old.Fields, response.Header) {
		return j.again(ctx, cancel, f)
	}
	fields := httpcache.Freshen(old.Fields.Fields(), response.Header)
	meta := httpcache.NewMeta(old.Meta.Status, fields, started, received)
	clean, status := j.p.replyFields(&Response{Header: fields, FromTier: response.FromTier}, &meta)

	head := old
	head.Meta, head.Fields = meta, object.MakeBlock(clean)
	if reason := httpcache.Storable(&j.parsed, &meta, fields, &j.rules); reason != httpcache.ReasonNone {
		j.p.stats.notStored(reason)
		j.p.discard(ctx, j.stored.key)
		return j.again(ctx, cancel, f)
	}
	res := j.storedResult(response.Status)
	res.head, res.status, res.outcome = head, status, httpcache.Revalidated
	err := object.Freshen(ctx, j.p.store, j.stored.key, &head, j.stored.inline, j.keepFor(&meta))
	switch {
	case errors.Is(err, object.ErrNotFound):
		j.p.lostBody(ctx, j.stored.key, err)
		return j.again(ctx, cancel, f)
	case err != nil:
		j.p.stats.StoreErrors.Add(1)
		res.reason = httpcache.ReasonStore
	}
	f.Detach()
	f.Publish(res)
	return false
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
