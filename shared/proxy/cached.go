package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"tiercache/shared/cachekey"
	"tiercache/shared/flight"
	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// serveCached answers GET and HEAD: from the store, from a flight, or straight from the upstream.
func (p *Proxy) serveCached(r *request) {
	r.parsed = httpcache.ParseRequest(r.method, r.header)
	if fwd := r.parsed.Bypass(); fwd != httpcache.FwdNone {
		p.passUnlessCached(r, fwd)
		return
	}
	if p.bypassed(r) {
		return
	}
	p.ration(r)
	r.adopt()
	p.normalise(r)
	r.setKey()
	// A waiter whose request selects another variant than the flight's starts over, now knowing the
	// selecting fields. It can find them changed again, so the number of rounds is bounded.
	for range maxVaryLoops {
		if p.tryCached(r) {
			return
		}
		r.key = r.key[:r.primary]
		r.digest = cachekey.Digest(r.key)
	}
	p.passUnlessCached(r, httpcache.FwdVaryMiss)
}

// tryCached serves the request, or reports that it must be looked up again.
func (p *Proxy) tryCached(r *request) (done bool) {
	kind := p.lookup(r)
	if kind == object.KindResponse {
		return p.serveFound(r)
	}
	fwd := httpcache.FwdURIMiss
	if len(r.key) > r.primary && kind == 0 {
		fwd = httpcache.FwdVaryMiss
	}
	switch alone := kind == object.KindHitForMiss; {
	case httpcache.SkipsFront(r.header) && r.method == http.MethodGet && !r.parsed.Has(httpcache.RequestCondition):
		p.servePart(r, fwd)
	case r.parsed.OnlyIfCached():
		p.refuse(r, refusalCached)
	case r.method == http.MethodHead, alone && (r.parsed.Has(httpcache.RequestCondition) || r.parsed.Has(httpcache.RequestRange)):
		// What is not stored anyway, the upstream may make as small as the client's own fields allow.
		p.pass(r, fwd)
	case alone:
		return p.goAlone(r, nil, fwd)
	default:
		return p.fly(r, nil, fwd)
	}
	return true
}

// passUnlessCached passes the request on, unless the client wants only what is stored (RFC 9111, 5.2.1.7).
func (p *Proxy) passUnlessCached(r *request, fwd httpcache.FwdReason) {
	if r.parsed.OnlyIfCached() {
		p.refuse(r, refusalCached)
		return
	}
	p.pass(r, fwd)
}

// lookup finds the entry of the request, following a list of variants. It returns 0 for none.
func (p *Proxy) lookup(r *request) object.Kind {
	kind := p.find(r)
	if kind == object.KindVariants {
		r.setVariant(r.head.Selecting, string(generationOf(&r.head)))
		if kind = p.find(r); kind == object.KindVariants {
			return 0
		}
	}
	if kind == object.KindHitForMiss && r.now.Sub(time.UnixMilli(r.head.Meta.ResponseTime)) > hitForMissTTL {
		return 0
	}
	return kind
}

// find looks up the entry at the request's digest. A store that fails is a counted miss.
func (p *Proxy) find(r *request) object.Kind {
	raw, err := p.store.Lookup(r.ctx, r.storeKey())
	if err != nil {
		if !errors.Is(err, object.ErrNotFound) {
			p.stats.StoreErrors.Add(1)
		}
		return 0
	}
	r.inline, err = object.DecodeEntry(raw, &r.head)
	if err != nil {
		p.stats.Corrupt.Add(1)
		p.discard(r.ctx, strings.Clone(r.storeKey()))
		return 0
	}
	if r.head.Key != string(r.variantKey()) { // another key with the same digest
		return 0
	}
	return p.standing(r)
}

// standing is the kind of the entry that was found, as far as purges leave it standing: 0 when it is dead. A
// list of variants holds no content; each variant is judged by itself.
func (p *Proxy) standing(r *request) object.Kind {
	if r.head.Kind == object.KindVariants {
		return r.head.Kind
	}
	switch p.control.Check(r.head.Stamp, r.head.Scopes) {
	case invalidation.Live:
		return r.head.Kind
	case invalidation.Stale:
		if r.head.Kind == object.KindResponse {
			r.head.Meta.Flags |= httpcache.FlagPurged
			return r.head.Kind
		}
	}
	p.stats.Purged.Add(1)
	return 0
}

// discard removes an entry that can not be used. If that fails, the next lookup will try again.
func (p *Proxy) discard(ctx context.Context, key string) {
	if err := p.store.Remove(ctx, key); err != nil {
		p.stats.StoreErrors.Add(1)
	}
}

// serveFound decides about a stored response and serves, refreshes or revalidates it.
func (p *Proxy) serveFound(r *request) (done bool) {
	if !r.covers(&r.head.Fields) {
		r.asReceived()
		return false
	}
	d := httpcache.Decide(&r.head.Meta, &r.parsed, r.now, &r.rules)
	member := httpcache.Member{Outcome: httpcache.Hit, TTL: d.TTL, HasTTL: true, Rules: r.service.Deciding(&r.ruling, r.head.Meta.Status)}
	if !r.live {
		member.Detail = "disconnected"
	}
	if !r.vouched(false) && d.Use != httpcache.UseRefuse {
		// Whether it still stands, only a node that holds a lease can say.
		return p.revalidate(r, httpcache.FwdStale)
	}
	switch d.Use {
	case httpcache.UseFresh:
		// It stands as of the epoch at which it was checked.
		return p.serveStored(r, d.Age, member, max(r.head.Stamp, r.epoch))
	case httpcache.UseStale:
		if r.min > r.head.Stamp { // who asks for an epoch wants content of that epoch
			return p.revalidate(r, httpcache.FwdStale)
		}
		member.Outcome = httpcache.Stale
		return p.serveStored(r, d.Age, member, r.head.Stamp)
	case httpcache.UseStaleWhileRevalidate:
		// Another tier waits for the answer: were it stale too, staleness would add up over the tiers. And who
		// asks for an epoch wants content of that epoch.
		if !r.tier && r.min <= r.head.Stamp {
			p.refresh(r)
			member.Outcome = httpcache.Stale
			return p.serveStored(r, d.Age, member, r.head.Stamp)
		}
		d.Fwd = httpcache.FwdStale
	case httpcache.UseRefuse:
		p.refuse(r, refusalCached)
		return true
	}
	return p.revalidate(r, d.Fwd)
}

// revalidate asks the upstream about the entry that was found, unless the client wants only what is stored.
func (p *Proxy) revalidate(r *request, fwd httpcache.FwdReason) (done bool) {
	switch {
	case r.parsed.OnlyIfCached():
		p.refuse(r, refusalCached)
		return true
	case r.mustAskAlone():
		return p.goAlone(r, p.baseOf(r), fwd)
	}
	return p.fly(r, p.baseOf(r), fwd)
}

// mustAskAlone reports whether the entry that was found is of a kind of which each request needs a validation
// of its own, so that nobody may wait for another's.
func (r *request) mustAskAlone() bool {
	m := &r.head.Meta
	return m.Flags.Any(httpcache.FlagNoCache) || m.Lifetime(&r.rules) == 0
}

// base is a stored response that a fill revalidates. It owns its memory.
type base struct {
	head   object.Head
	inline []byte
	key    string // store key
}

// baseOf keeps the entry that was found beyond the exchange: lookups own their bytes, only the array
// of selecting names is the request's.
func (p *Proxy) baseOf(r *request) *base {
	b := &base{head: r.head, inline: r.inline, key: strings.Clone(r.storeKey())}
	b.head.Selecting = append([]string(nil), r.head.Selecting...)
	return b
}

// fly joins the flight of the key, leading it if there is none, and serves what it yields.
func (p *Proxy) fly(r *request, stored *base, fwd httpcache.FwdReason) (done bool) {
	f, lead := p.flights.Join(string(r.key))
	if lead {
		p.start(p.newFill(r, stored, fwd), f)
	}
	return p.land(r, f, lead)
}

// land waits for what the flight yields and serves it.
func (p *Proxy) land(r *request, f *flight.Flight[*result], lead bool) (done bool) {
	ctx, cancel := context.WithTimeout(r.ctx, r.service.ResponseTimeout()+p.cfg.FillWait+waitSlack)
	defer cancel()
	res, err := f.Follow(ctx, p.hearer(r, lead))
	if err != nil {
		if lead {
			go p.abandon(f)
		}
		p.refuse(r, refusalOf(err))
		return true
	}
	done = p.serveResult(r, res, lead)
	if r.detach {
		f.Detach() // or the next look would join it again
		r.detach = false
	}
	if lead && !done {
		res.abandon()
	}
	return done
}

// abandon gives up what the flight will yield for a leader that has stopped waiting. Fills end by their
// own deadlines, so it ends too.
func (p *Proxy) abandon(f *flight.Flight[*result]) {
	if res, err := f.Wait(context.Background()); err == nil {
		res.abandon()
	}
}

// refresh revalidates the entry that was found in the background, unless somebody does already or the
// service has no room for another fill.
func (p *Proxy) refresh(r *request) {
	if p.resting.rests(r.storeKey(), r.now) {
		return
	}
	f, lead := p.flights.Join(string(r.key))
	if !lead {
		return
	}
	job := p.newFill(r, p.baseOf(r), httpcache.FwdStale)
	job.background = true
	p.start(job, f)
}

// goAlone fetches for this request only: its key is known to yield what may not be shared, or not without a
// validation for each request. stored is what is revalidated; nil for a miss.
func (p *Proxy) goAlone(r *request, stored *base, fwd httpcache.FwdReason) (done bool) {
	if r.method == http.MethodHead {
		p.pass(r, fwd)
		return true
	}
	f := flight.Solo[*result]()
	p.start(p.newFill(r, stored, fwd), f)
	return p.land(r, f, true)
}
