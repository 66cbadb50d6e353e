package proxy

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/object"
	"tiercache/shared/policy"
)

// appendField appends one field line. value must not hold line breaks.
func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// appendStatus appends this node's member of Cache-Status (RFC 9211).
func (p *Proxy) appendStatus(dst []byte, m httpcache.Member) []byte {
	m.Cache = p.cfg.Node
	dst = append(dst, "Cache-Status: "...)
	dst = httpcache.AppendCacheStatus(dst, m)
	return append(dst, "\r\n"...)
}

// appendOwn appends what this node says on every reply that it passes on: Via, and the tiers' Cache-Status so far.
func (p *Proxy) appendOwn(dst []byte, meta *httpcache.Meta, status []string, m httpcache.Member) []byte {
	dst = append(append(dst, "Via: "...), meta.Protocol()...)
	dst = append(append(append(dst, ' '), p.pseudonym...), "\r\n"...)
	for _, s := range status {
		dst = appendField(dst, "Cache-Status", s)
	}
	return p.appendStatus(dst, m)
}

func appendAge(dst []byte, age time.Duration) []byte {
	dst = append(dst, "Age: "...)
	dst = strconv.AppendInt(dst, max(0, int64(age/time.Second)), 10)
	return append(dst, "\r\n"...)
}

// cacheFields are addressed to caches: the tier that faces clients keeps them to itself.
var cacheFields = []string{"Surrogate-Key", "Cache-Tag", "Cache-Groups", "Cache-Group-Invalidation", "Surrogate-Control"}

// forward completes the fields that go to the upstream with a request: f, which is its own copy of the
// client's, without what is not for the upstream and with what this node adds.
func (p *Proxy) forward(r *request, f httpcache.Fields) httpcache.Fields {
	client := r.header.Value(clientField)
	if r.confined {
		r.confine(&f, r.header)
	}
	f.Del("Content-Length", "Expect", "Via", "Cdn-Loop")
	f = slices.DeleteFunc(f, func(field httpcache.Field) bool { return dropped(field.Name) })
	if r.tier && client != "" {
		f.Add(clientField, strings.Clone(client))
	} else {
		f.Add(clientField, r.x.Peer())
	}
	f.Add(protoField, strings.Clone(r.scheme))
	f.Add(hostField, strings.Clone(r.host))
	if r.service.SurrogateControl {
		f.Add(capabilityField, httpcache.SurrogateCapability)
	}
	if p.logged && r.service.UpstreamLag > 0 {
		f.Add(settledField, strconv.FormatUint(p.settled(r), 10))
	}
	f.Add("Via", string(httpcache.AppendVia(nil, r.header, r.x.Protocol(), p.pseudonym)))
	if hops, ok := r.maxForwards(); ok {
		f.Set("Max-Forwards", strconv.FormatInt(hops-1, 10))
	}
	f.Add("CDN-Loop", string(httpcache.AppendCDNLoop(nil, r.header, cdnID, p.cfg.Node)))
	return f
}

// capabilityField tells an upstream that what it says in Surrogate-Control is obeyed. A client's is not passed on: it
// could change the response without being part of the key.
const capabilityField = "Surrogate-Capability"

// newMeta reads what decides about a response to the service.
func newMeta(service *policy.Match, status int, h httpcache.Header, requested, received time.Time) httpcache.Meta {
	if service.SurrogateControl {
		return httpcache.NewMetaTargeted(status, h, requested, received, httpcache.TargetedField, httpcache.SurrogateField)
	}
	return httpcache.NewMeta(status, h, requested, received)
}

// dropPrivate removes the fields by which tiers talk to each other.
func (p *Proxy) dropPrivate(f *httpcache.Fields) {
	kept := (*f)[:0]
	for _, field := range *f {
		if len(field.Name) < len(tierPrefix) || !strings.EqualFold(field.Name[:len(tierPrefix)], tierPrefix) {
			kept = append(kept, field)
		}
	}
	*f = kept
}

// replyFields are the end-to-end fields of a response that is passed on. Those that are withheld from everybody but the
// client that it was fetched for are kept apart: they are never stored.
func (p *Proxy) replyFields(response *Response, m *httpcache.Meta) (fields, withheld httpcache.Fields, status []string) {
	fields, withheld = httpcache.StoredFields(response.Header, m), httpcache.WithheldFields(response.Header, m)
	if response.FromTier {
		for v := range fields.Values("Cache-Status") {
			status = append(status, v)
		}
		fields.Del("Cache-Status")
		withheld.Del("Cache-Status")
	}
	p.trim(&fields)
	p.trim(&withheld)
	if !fields.Has("Date") {
		fields.Add("Date", string(httpcache.AppendDate(nil, m.ResponseTime/1000)))
	}
	return fields, withheld, status
}

// trim takes out what this node says itself, and what is for the tiers alone.
func (p *Proxy) trim(f *httpcache.Fields) {
	f.Del("Content-Length", "Age", "Trailer")
	p.dropPrivate(f)
	if p.cfg.FacesClients {
		f.Del(cacheFields...)
	}
}

// appendNotModified appends what of a stored response belongs into a 304 (RFC 9110, 15.4.5). For another tier that is
// all that guides the update of what it has stored.
func appendNotModified(dst []byte, block object.Block, tier bool) []byte {
	for name, value := range block.All() {
		if httpcache.KeepInNotModified(name) || tier && httpcache.Freshens(name) {
			dst = appendField(dst, name, value)
		}
	}
	return dst
}
