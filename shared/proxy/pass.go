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

// pass sends the request straight to the upstream and its response straight back. Nothing is stored;
// an unsafe method that succeeds removes what is stored for its URI.
func (p *Proxy) pass(r *request, fwd httpcache.FwdReason) {
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
	injectTrace(ctx, &request.Header)
	response, err := p.upstream.Fetch(ctx, r.service, request)
	if err != nil {
		done()
		p.stats.UpstreamErrors.Add(1)
		p.refuse(r, refusalOf(err))
		return
	}
	r.setKey()
	if !httpcache.ParseMethod(r.method).Safe() && response.Status < http.StatusBadRequest {
		p.invalidate(r)
	}
	meta := httpcache.NewMeta(response.Status, response.Header, started, p.now())
	fields, status := p.replyFields(response, &meta)
	response.Body = &ownedBody{ReadCloser: response.Body, done: done}
	p.sendSolo(r, &result{
		solo: &soloResponse{response: response, fields: fields, meta: meta, stamp: p.stampOf(response, r.service, started, epoch)},
		fwd:  fwd, fwdStatus: response.Status, outcome: httpcache.Pass, status: status, live: isLive(response),
	})
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

// invalidate removes the stored response of the request's URI (RFC 9111, 4.4) on this node, and voids the fills of
// it that are under way. Of a response with variants it removes the list alone: a new list has another
// generation, so they stay out of reach.
func (p *Proxy) invalidate(r *request) {
	for _, scheme := range []string{"http", "https"} {
		key := cachekey.Append(nil, cachekey.Parts{
			Service: r.service.Name, Fingerprint: r.service.Print, Scheme: scheme, Host: r.host, Target: r.target,
		})
		p.flights.Void(string(key))
		digest := cachekey.Digest(key)
		p.discard(r.ctx, string(digest[:]))
	}
}

// sendSolo replies with a response that is for this client alone.
func (p *Proxy) sendSolo(r *request, res *result) {
	solo := res.solo
	if !r.vouched(res.live) && httpcache.ParseMethod(r.method).Safe() {
		closePayload(Payload{Stream: solo.response.Body})
		p.refuse(r, refusalNotLive)
		return
	}
	outcome := res.outcome
	if outcome == httpcache.Miss {
		outcome = httpcache.Pass
	}
	p.count(r, outcome)
	fields := append(r.fields[:0], object.MakeBlock(solo.fields)...)
	if solo.meta.Age > 0 {
		fields = appendAge(fields, solo.meta.CurrentAge(p.now()))
	}
	member := httpcache.Member{Outcome: outcome, Fwd: res.fwd, FwdStatus: res.fwdStatus, Detail: res.reason.String()}
	fields = p.appendControl(fields, r, solo.stamp, res.live)
	fields = p.appendOwn(fields, res.status, member)
	r.fields = fields
	status := solo.response.Status
	payload := Payload{Stream: solo.response.Body, Length: solo.response.Length, Seal: r.tier}
	if r.method == http.MethodHead {
		closePayload(payload)
		payload = Payload{Length: solo.response.Length}
	}
	r.x.Reply(status, fields, payload)
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
