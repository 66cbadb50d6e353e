package proxy

import (
	"encoding/binary"
	"net/url"
	"sync"
	"sync/atomic"

	"tiercache/shared/cachekey"
	"tiercache/shared/httpcache"
)

// forgotten counts what unsafe methods have removed, by URIs: a response that was asked for before and comes after is
// not stored. URIs share counters, 128 KiB of them, which costs a response that is not stored now and then: where two
// unsafe requests for URIs of one counter are under way at once. They are made for the first request that is passed on:
// nodes of a site that is only read never see one.
type forgotten struct {
	made     sync.Once
	counters *[1 << 14]atomic.Uint64
}

func (f *forgotten) of(host, target string) *atomic.Uint64 {
	f.made.Do(func() { f.counters = new([1 << 14]atomic.Uint64) })
	digest := cachekey.Digest([]byte(host + target))
	return &f.counters[int(binary.BigEndian.Uint16(digest[:]))%len(f.counters)]
}

// invalidate removes what the response to an unsafe method makes invalid (RFC 9111, 4.4) on this node, before the
// reply's first byte: what is stored for the request's URI and for those of Location and Content-Location. It returns
// how far it has moved the counter of the request's URI.
func (p *Proxy) invalidate(r *request, response *Response) (moved uint64) {
	if !httpcache.Invalidates(r.method, response.Status) {
		return 0
	}
	counter := p.forgotten.of(r.host, r.target)
	targets := p.invalidated(r, response)
	for _, target := range targets {
		targets = append(targets, p.alike(r, target)...)
	}
	for _, target := range targets {
		p.forget(r, target)
		if p.forgotten.of(r.host, target) == counter {
			moved++
		}
	}
	return moved
}

// invalidated are the targets that the response to an unsafe method makes invalid, that of the request first.
func (p *Proxy) invalidated(r *request, response *Response) []string {
	targets := []string{r.target}
	if uri, ok := r.uri(); ok {
		targets = append(targets, httpcache.InvalidatedTargets(uri, response.Header)...)
	}
	return targets
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
	ruling := r.service.Rule(target, nil)
	target = string(ruling.Query.AppendTarget(nil, target))
	p.forgotten.of(r.host, target).Add(1)
	for _, scheme := range []string{"http", "https"} {
		key := cachekey.Append(nil, cachekey.Parts{
			Service: r.service.Name, Fingerprint: ruling.Print, Scheme: scheme, Host: r.host, Target: target,
		})
		p.flights.Void(string(key))
		digest := cachekey.Digest(key)
		p.discard(r.ctx, string(digest[:]))
		digest = cachekey.Digest(cachekey.AppendPart(nil, key))
		p.discard(r.ctx, string(digest[:]))
	}
}
