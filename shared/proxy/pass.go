package proxy

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"tiercache/shared/cachekey"
	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// pass sends the request straight to the upstream and its response straight back. An unsafe method that succeeds
// removes what is stored for its URI; nothing is stored but what a POST yields for a later GET.
func (p *Proxy) pass(r *request, fwd httpcache.FwdReason) {
	r.asReceived()
	body, length := r.x.Body()
	if length > p.cfg.MaxRequestBody {
		p.refuse(r, refusalBody)
		return
	}
	release, ok := p.passes.acquire(r.ctx, r.service.Name, p.cfg.FillWait)
	if !ok {
		p.stats.Busy.Add(1)
		p.refuse(r, refusalBusy)
		return
	}
	ctx, cancel := context.WithCancelCause(r.ctx)
	request := p.passRequest(r, body, length)
	done := func() {
		cancel(nil)
		request.stopBody()
		release()
	}
	started := p.now()
	epoch := p.control.Applied()
	forgotten := p.forgotten.of(r.host, r.target).Load()
	injectTrace(ctx, &request.Header)
	response, err := p.fetchHinted(ctx, r, request)
	if err != nil {
		done()
		p.stats.UpstreamErrors.Add(1)
		p.refuse(r, refusalOf(err))
		return
	}
	r.setKey()
	own := p.invalidate(r, response)
	purged, fleet := p.invalidateFleet(r, response)
	meta := newMeta(r.service, response.Status, response.Header, started, p.now())
	meta.Flags |= response.Version
	if r.confined && r.ruling.ForceStore && (response.Status == http.StatusPartialContent || r.rules.Forces(&r.parsed, &meta)) {
		response = forced(response) // as a whole it would be given to all
	}
	fields, withheld, status := p.replyFields(response, &meta)
	response.Body = &ownedBody{ReadCloser: response.Body, done: done}
	res := &result{
		solo: &soloResponse{response: response, fields: fields, meta: meta}, withheld: object.MakeBlock(withheld),
		fwd: fwd, fwdStatus: response.Status, outcome: httpcache.Pass, status: status, live: isLive(response), begun: started, stale: isStale(response),
		forgotten: forgotten, fleet: fleet, rules: httpcache.Rules{r.bypassRule()},
	}
	res.head.Stamp, res.asked = p.stampOf(response, r.service, started, epoch)
	if purged == 0 { // else the purge is of this very URI
		p.storePosted(r, res, own)
	}
	p.storePart(r, res)
	res.head.Stamp = max(res.head.Stamp, purged)
	p.sendSolo(r, res)
}

// passRequest keeps the client's own conditions and range: the response is for this client.
func (p *Proxy) passRequest(r *request, body io.Reader, length int64) *Request {
	request := &Request{
		Method: strings.Clone(r.method), Scheme: strings.Clone(r.scheme), Host: strings.Clone(r.host),
		Target: strings.Clone(r.target), Header: p.forward(r, httpcache.ForwardFields(r.header)),
		Digest: cachekey.Digest([]byte(r.host + r.target)),
	}
	if p.logged && httpcache.ParseMethod(r.method).Safe() {
		// What comes back is not checked against the purges that this node knows of, so the next tier must know them.
		request.Header.Set(minEpochField, strconv.FormatUint(r.epoch, 10))
	}
	// A body of GET and its like has no meaning (RFC 9110, 9.3.1) and could change what is cached.
	if length != 0 && !httpcache.ParseMethod(r.method).Safe() {
		request.Body, request.Length = newRequestBody(body, length, p.cfg.MaxRequestBody), length
	}
	return request
}

// judgeSolo says why the request may not be given a response that is for it alone. What an unsafe method has done
// is done, so its response is always passed on.
func (p *Proxy) judgeSolo(r *request, res *result) *refusal {
	switch {
	case !httpcache.ParseMethod(r.method).Safe():
		return nil
	case !r.vouched(res.live):
		return refusalNotLive
	case res.stale:
		return p.judgeStale(r, res)
	}
	return nil
}

// sendSolo replies with a response that is for this client alone.
func (p *Proxy) sendSolo(r *request, res *result) {
	solo := res.solo
	if why := p.judgeSolo(r, res); why != nil {
		closePayload(Payload{Stream: solo.response.Body})
		p.refuse(r, why)
		return
	}
	outcome := res.outcome
	fields, status, payload := p.soloReply(r, solo, outcome == httpcache.Miss)
	if outcome == httpcache.Miss {
		outcome = httpcache.Pass
	}
	p.count(r, outcome)
	fields = append(fields, res.withheld...)
	if solo.meta.Age > 0 {
		fields = appendAge(fields, solo.meta.CurrentAge(p.now()))
	}
	member := httpcache.Member{Outcome: outcome, Fwd: res.fwd, FwdStatus: res.fwdStatus, Detail: res.detail(), Rules: res.rules}
	fields = p.appendControl(fields, r, res.told(r))
	fields = p.appendOwn(fields, &solo.meta, res.status, member)
	r.fields = fields
	r.x.Reply(status, fields, payload)
}

// soloReply are fields, status and body of a response that is for this client alone. Where a fill has yielded it, the
// upstream was not sent the client's condition and range: they count here.
func (p *Proxy) soloReply(r *request, solo *soloResponse, filled bool) (fields []byte, status int, payload Payload) {
	head := &object.Head{Meta: solo.meta, Fields: object.MakeBlock(solo.fields)}
	payload = Payload{Stream: solo.response.Body, Length: solo.response.Length, Seal: r.tier}
	switch {
	case r.method == http.MethodHead:
		closePayload(payload)
		payload = Payload{Length: solo.response.Length}
	case filled && payload.Length >= 0:
		if r.cut = p.cutOf(r, head, payload.Length, true); !r.cut.whole() {
			payload = r.cut.stream(payload.Stream, 0, head)
		}
	}
	if filled {
		return p.asAsked(r.fields[:0], r, head, payload)
	}
	return append(r.fields[:0], head.Fields...), solo.response.Status, payload
}

// ownedBody ends the exchange with the upstream when the client is done with the body.
type ownedBody struct {
	io.ReadCloser
	done   func()
	closed bool
}

func (b *ownedBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	err := b.ReadCloser.Close()
	b.done()
	return err
}
