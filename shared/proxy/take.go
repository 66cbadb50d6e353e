package proxy

import (
	"context"
	"net/http"
	"time"

	"tiercache/shared/cachekey"
	"tiercache/shared/flight"
	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// take decides about a full response: shared and stored, or for the leader alone.
func (j *fill) take(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result], response *Response, started, received time.Time) (keep bool) {
	meta := newMeta(j.service, response.Status, response.Header, started, received)
	meta.Flags |= response.Version
	reason := httpcache.Storable(&j.parsed, &meta, response.Header, &j.rules)
	if reason == httpcache.ReasonNone && response.Status >= http.StatusBadRequest && httpcache.Odd(j.header) {
		reason = httpcache.ReasonOddRequest
	}
	if reason == httpcache.ReasonNone && response.Length > j.p.cfg.MaxObject {
		reason = httpcache.ReasonTooLarge
	}
	scopes, why := j.p.scopesOf(j.service, j.request.Host, j.request.Target, response.Header)
	if reason == httpcache.ReasonNone {
		reason = why
	}
	if reason == httpcache.ReasonNone {
		response = j.encode(ctx, response, &meta)
	}
	vary, _ := httpcache.ParseVary(response.Header) // Storable refuses a star
	names, selectable := selectingNames(vary)
	names = union(names, j.keyed())
	if !selectable && reason == httpcache.ReasonNone {
		reason = httpcache.ReasonVaryStar
	}
	stands := j.judge(response, started, scopes)
	if j.behind(response, &stands) {
		return j.insist(ctx, cancel, f, response)
	}
	if reason == httpcache.ReasonNone {
		response = j.force(response, &meta)
	}
	fields, withheld, status := j.p.replyFields(response, &meta)
	res := &result{
		fwd: j.fwd, fwdStatus: response.Status, reason: reason, status: status,
		outcome: httpcache.Miss, length: response.Length, live: isLive(response), begun: started, asked: stands.asked, rules: j.service.Deciding(&j.ruling, meta.Status),
		withheld: object.MakeBlock(withheld),
	}
	if res.head.Stamp, res.head.Scopes = stands.stamp, stands.scopes; stands.stale {
		res.outcome, res.stale = httpcache.Stale, true
	}
	if reason != httpcache.ReasonNone {
		return j.alone(ctx, cancel, f, res, response, fields, meta)
	}
	key := j.variantKey(ctx, &names)
	res.head = object.Head{
		Kind: object.KindResponse, Key: string(key), Stamp: stands.stamp, Scopes: stands.scopes, Meta: meta,
		Fields: object.MakeBlock(fields), Selecting: names,
	}
	j.learnSearch(fields, &res.head)
	if stands.verdict == invalidation.Dead || stands.verdict == invalidation.Stale && stands.stale {
		j.onlyForThese(f, res, &stands)
	}
	j.stream(ctx, cancel, f, res, response)
	return false
}

// onlyForThese keeps out of the store what a purge concerns, and that no later request may have: who asked before a
// hard purge may have it, and what stands in for an error after a soft one. Who comes from now on needs another fill,
// except where the upstream may lag and was asked after the purge: nothing newer can be had as long as that takes. A
// body that is larger than what a flight keeps in memory would make those that join late wait for the slowest client.
func (j *fill) onlyForThese(f *flight.Flight[*result], res *result, stands *standing) {
	res.reason = httpcache.ReasonPurged
	j.p.stats.notStored(res.reason)
	if stands.verdict == invalidation.Stale {
		res.head.Meta.Flags |= httpcache.FlagPurged
	}
	lags := j.service.UpstreamLag > 0 && stands.asked >= j.epoch
	if stands.stale || !lags || res.length < 0 || res.length > windowSegments*object.SegmentSize {
		f.Detach()
	}
}

// alone hands the response to the leader and sets all others free. For a while requests for this key
// do not wait for each other, unless it was this one request that made the response unfit.
func (j *fill) alone(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result], res *result, response *Response, fields httpcache.Fields, meta httpcache.Meta) (keep bool) {
	j.p.stats.notStored(res.reason)
	if j.marks(res.reason, response.Status) {
		j.markHitForMiss(ctx, &meta, &res.head)
	}
	if j.background {
		j.p.resting.rest(j.found, j.p.now())
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
	res.solo = &soloResponse{response: response, fields: fields, meta: meta}
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
