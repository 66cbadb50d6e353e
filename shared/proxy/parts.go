package proxy

import (
	"net/http"

	"tiercache/shared/cachekey"
	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// A request on a miss for a part that does not begin with the first byte is not made into a fill: what lies before
// could be gigabytes. It goes to the upstream as it is, and the part that comes back is kept beside where the whole
// would be, one a URL, for requests that lie within it (RFC 9111, 3.3). Parts are never joined.

// servePart answers from the part that is kept, or asks the upstream for the one that the client wants.
func (p *Proxy) servePart(r *request, fwd httpcache.FwdReason) {
	r.asReceived()
	primary := r.key[:r.primary]
	r.setSuffix(cachekey.AppendPart(nil, primary))
	if p.find(r) != object.KindResponse || !p.sendPart(r) {
		p.passUnlessCached(r, fwd)
	}
}

// sendPart answers from the part that was found, if it is fresh and has all that is asked for.
func (p *Proxy) sendPart(r *request) bool {
	d := httpcache.Decide(&r.head.Meta, &r.parsed, r.now, &r.rules)
	first, length, ok := httpcache.ParseContentRange(&r.head.Fields)
	if !ok || d.Use != httpcache.UseFresh || !r.vouched(false) {
		return false
	}
	parts, use := httpcache.Ranges(r.header, http.StatusOK, &r.head.Fields, length)
	if use != httpcache.RangeSatisfied || len(parts) != 1 {
		return false
	}
	offset := parts[0].Start - first
	if offset < 0 || offset+parts[0].Length > r.head.BodySize {
		return false
	}
	r.cut = cut{use: use, parts: parts, size: length}
	payload := Payload{}
	if r.head.Inline() {
		payload.Bytes = r.inline[offset : offset+parts[0].Length]
	} else {
		body := object.NewReaderAt(r.ctx, p.store, string(r.digest[:]), &r.head, nil, offset)
		payload = r.cut.stream(body, parts[0].Start, &r.head)
	}
	member := httpcache.Member{Outcome: httpcache.Hit, TTL: d.TTL, HasTTL: true, Detail: "partial"}
	p.count(r, member.Outcome)
	p.send(r, &r.head, d.Age, &told{stamp: max(r.head.Stamp, r.epoch)}, member, payload)
	return true
}

// storePart keeps the part that a request for one has yielded, if a whole response with its fields could be stored. It
// must vary by nothing and fit one segment, since it is read before it goes out. A part that is shorter than it says
// counts for what has come.
func (p *Proxy) storePart(r *request, res *result) {
	solo := res.solo
	response := solo.response
	if r.method != http.MethodGet || !r.storesAside() || response.Status != http.StatusPartialContent || res.stale || response.Length <= 0 || response.Length > object.SegmentSize {
		return
	}
	first, length, ok := httpcache.ParseContentRange(response.Header)
	if !ok || first+response.Length > length || response.Header.Has("Vary") {
		return
	}
	as := solo.meta
	as.Status = http.StatusOK
	scopes, why := p.scopesOf(r.service, r.host, r.target, response.Header)
	if httpcache.Storable(&r.parsed, &as, response.Header, &r.rules) != httpcache.ReasonNone || why != httpcache.ReasonNone {
		return
	}
	p.storeRead(r, res, cachekey.AppendPart(nil, r.key[:r.primary]), scopes, 0)
}
