package proxy

import (
	"context"
	"net/http"
	"strings"

	"tiercache/shared/httpcache"
)

// Serve answers one exchange.
func (p *Proxy) Serve(ctx context.Context, x Exchange) {
	r := p.requests.Get().(*request)
	defer p.release(r)
	r.ctx, r.x, r.header, r.now = ctx, x, x.Header(), p.now()
	r.method, r.target = x.Method(), x.Target()
	p.serve(r)
	if p.took != nil {
		p.took.Record(int(r.outcome), p.now().Sub(r.now))
	}
}

func (p *Proxy) serve(r *request) {
	if r.target == "*" && r.method == http.MethodOptions {
		// The node itself is asked (RFC 9110, 9.3.7): edges do, to know that it still answers.
		p.answer(r)
		return
	}
	if refusal := p.admit(r); refusal != nil {
		p.refuse(r, refusal)
		return
	}
	if hops, ok := r.maxForwards(); ok && hops == 0 {
		p.answer(r) // RFC 9110, 9.3.7
		return
	}
	if refusal := p.reach(r); refusal != nil {
		p.refuse(r, refusal)
		return
	}
	r.epoch, r.live = p.control.Applied(), p.control.Live(r.now)
	if !r.live {
		p.stats.Disconnected.Add(1)
	}
	switch r.method {
	case http.MethodGet, http.MethodHead:
		p.serveCached(r)
	default:
		p.pass(r, httpcache.FwdMethod)
	}
}

// answer replies to an OPTIONS request that is for this node and goes no further.
func (p *Proxy) answer(r *request) {
	r.x.Reply(http.StatusNoContent, appendField(r.fields[:0], "Allow", "GET, HEAD, OPTIONS"), Payload{})
}

// maxForwards is how often the request may still be forwarded; ok is false where that is not limited (RFC 9110, 7.6.2).
func (r *request) maxForwards() (hops int64, ok bool) {
	if r.method != http.MethodOptions {
		return 0, false
	}
	return httpcache.MaxForwards(r.header)
}

// admit finds the request's service, or says why it is refused.
func (p *Proxy) admit(r *request) *refusal {
	switch r.method {
	case http.MethodConnect:
		return refusalConnect
	case http.MethodTrace:
		return refusalTrace
	}
	if httpcache.AsksForProtocol(r.header) {
		return refusalUpgrade
	}
	if !validTarget(r.target) {
		return refusalTarget
	}
	host, ok := r.lowerHost(r.x.Authority())
	if !ok {
		return refusalHost
	}
	r.host = host
	if r.service = p.policy.Load().Match(host); r.service == nil {
		return refusalUnknownHost
	}
	if httpcache.InLoop(r.header, cdnID, p.cfg.Node) {
		return refusalLoop
	}
	r.ruling = r.service.Rule(r.target, r)
	r.rules = rulesOf(r.service, &r.ruling)
	r.negotiation = p.negotiationOf(r.service, &r.ruling)
	r.tier = p.believes(r.header.Value(tierField))
	r.scheme = r.x.Scheme()
	if r.tier && r.header.Value(protoField) == "https" {
		r.scheme = "https"
	}
	return nil
}

// validTarget refuses what could be read as another target further on: anything but origin-form,
// control bytes, spaces, and a fragment (RFC 9112, 3.2).
func validTarget(target string) bool {
	if !strings.HasPrefix(target, "/") {
		return false
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f || c == '#' {
			return false
		}
	}
	return true
}
