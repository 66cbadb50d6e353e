package proxy

import (
	"net/url"

	"tiercache/shared/cachekey"
	"tiercache/shared/httpcache"
)

// invalidate removes what the response to an unsafe method makes invalid (RFC 9111, 4.4) on this node, before the
// reply's first byte: what is stored for the request's URI and for those of Location and Content-Location.
func (p *Proxy) invalidate(r *request, response *Response) {
	if !httpcache.Invalidates(r.method, response.Status) {
		return
	}
	p.forget(r, r.target)
	if uri, ok := r.uri(); ok {
		for _, target := range httpcache.InvalidatedTargets(uri, response.Header) {
			p.forget(r, target)
		}
	}
}

// uri is the request's URI as the client wrote it, its port included.
func (r *request) uri() (*url.URL, bool) {
	uri, err := url.ParseRequestURI(r.target)
	if err != nil {
		return nil, false
	}
	uri.Scheme, uri.Host = r.scheme, r.x.Authority()
	return uri, true
}

// forget removes what is stored for a target of the request's host, and voids the fills of it that are under way. Of
// a response with variants it removes the list alone: a new list has another generation, so they stay out of reach.
func (p *Proxy) forget(r *request, target string) {
	for _, scheme := range []string{"http", "https"} {
		key := cachekey.Append(nil, cachekey.Parts{
			Service: r.service.Name, Fingerprint: r.service.Print, Scheme: scheme, Host: r.host, Target: target,
		})
		p.flights.Void(string(key))
		digest := cachekey.Digest(key)
		p.discard(r.ctx, string(digest[:]))
	}
}
