package proxy

import (
	"net/http"
	"slices"
	"unsafe"

	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/policy"
)

// What the rules of a service document do to requests and responses. INVARIANT: for whatever is stored, what the
// upstream was sent is a function of the key, as far as rules take something out of the key or put it in. So nobody can
// choose, by what is not in the key, what others are given.

// rulesOf is what a service and its rules say about decisions.
func rulesOf(s *policy.Match, ruling *policy.Ruling) httpcache.Policy {
	return httpcache.Policy{
		HonourRequestDirectives: ruling.Honour, StoreSetCookie: s.AllowSetCookie, StaleDespiteSMaxAge: ruling.SMaxAgeStale,
		NoHeuristics: ruling.NoHeuristics, ForceStore: ruling.ForceStore, Override: ruling.Override,
	}
}

// Field implements policy.RequestFields.
func (r *request) Field(name string) (value string, present bool) {
	if httpcache.KeptBack(r.header, name) {
		return "", false
	}
	r.value, present = httpcache.AppendSelecting(r.value[:0], r.header, name)
	return unsafe.String(unsafe.SliceData(r.value), len(r.value)), present
}

// bypassRule is the rule by which the request goes past the cache, "" when it does not. What is stored by force is for
// those that the upstream does not know: who shows credentials is not given it, nor may they yield it.
func (r *request) bypassRule() string {
	switch {
	case r.method != http.MethodGet && r.method != http.MethodHead:
	case r.ruling.Bypass:
		return r.service.BypassRule(&r.ruling)
	case r.ruling.ForceStore && r.parsed.Has(httpcache.RequestAuthorization):
		return r.service.StoreRule(&r.ruling)
	}
	return ""
}

// bypassed sends the request past the cache, as it is, if a rule says so.
func (p *Proxy) bypassed(r *request) bool {
	if r.bypassRule() == "" {
		return false
	}
	p.passUnlessCached(r, httpcache.FwdBypass)
	return true
}

// adopt makes the request one for what its key stands for: from now on it has the target that is in the key, and what
// goes to the upstream has the fields that are.
func (r *request) adopt() {
	r.confined = true
	if r.ruling.Rewrites() {
		r.adopted = r.ruling.Query.AppendTarget(r.adopted[:0], r.target)
		r.target = unsafe.String(unsafe.SliceData(r.adopted), len(r.adopted))
	}
}

// storesAside reports whether what goes straight through may be stored under the request's primary key: nothing else
// tells it apart, and the upstream was sent what belongs to that key.
func (r *request) storesAside() bool {
	if r.ruling.Bypass || r.ruling.ForceStore {
		return false
	}
	return !r.ruling.Keyed() || r.confined && len(r.headers) == 0 && len(r.cookies) == 0
}

// union is both lists, sorted, each name once.
func union(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	all := append(slices.Clip(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// appendRuleTags adds the tags of rules, which the document has in any spelling.
func appendRuleTags(tags []string, ruling *policy.Ruling) []string {
	for _, t := range ruling.Tags {
		if tag, err := invalidation.CanonicalTag(t); err == nil { // the document was checked
			tags = append(tags, tag)
		}
	}
	return tags
}

// force makes a response that is stored by force one that may be: nobody is given the cookies that it sets, the client
// that it came for included, since all are given the same.
func (j *fill) force(response *Response, meta *httpcache.Meta) *Response {
	if !j.rules.Forces(&j.parsed, meta) {
		return response
	}
	meta.Force()
	return forced(response)
}

// forced is the response without the cookies that it sets.
func forced(response *Response) *Response {
	without := *response
	without.Header = response.Header.Clone()
	without.Header.Del("Set-Cookie", "Set-Cookie2")
	return &without
}
