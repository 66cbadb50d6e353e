package proxy

import (
	"context"
	"strings"
	"time"
	"unsafe"

	"tiercache/shared/cachekey"
	"tiercache/shared/httpcache"
	"tiercache/shared/object"
	"tiercache/shared/policy"
)

// Fields between tiers.
const (
	tierField   = "Tiercache-Tier"
	tierPrefix  = "Tiercache-"
	protoField  = "X-Forwarded-Proto"
	clientField = "X-Forwarded-For"
	hostField   = "X-Forwarded-Host"
)

// request is one request while it is served. Its strings alias the exchange, so nothing that outlives
// the exchange may keep them: a fill gets copies.
type request struct {
	ctx     context.Context
	x       Exchange
	service *policy.Match
	ruling  policy.Ruling
	rules   httpcache.Policy
	negotiation
	method string
	scheme string
	host   string
	target string // as received, until adopt
	header httpcache.Header
	parsed httpcache.Request
	tier   bool // from a node of the fleet
	now    time.Time

	received string      // the target before search was applied; "" where it is nil
	search   *searchRule // by which the target was normalised; nil: it was not

	confined bool // what the upstream is sent is a function of the key: set by adopt

	// INVARIANT: epoch is loaded before anything is looked up, so whatever the request is given stands as of
	// that epoch or a later one.
	epoch uint64
	min   uint64 // the epoch that the request asks for; 0: none
	live  bool   // this node held a lease when the request began

	cut     cut // what a Range request gets of what was found
	outcome httpcache.Outcome
	hinted  bool // the client was sent early hints
	detach  bool // the next look must not find the flight again: what it yields is no use to this request

	key     []byte // whole cache key of the stored response looked at, variant included
	primary int    // length of the primary key within key
	digest  [16]byte

	head    object.Head // of the entry that was found
	inline  []byte
	fields  []byte // scratch for the reply's header block
	lowered []byte // scratch for the host
	value   []byte // scratch for the value of a selecting field
	adopted []byte // scratch for the target in the key
}

// release drops what points into the exchange or into a stored entry.
func (p *Proxy) release(r *request) {
	names := r.head.Selecting[:0]
	*r = request{key: r.key[:0], fields: r.fields[:0], lowered: r.lowered[:0], value: r.value[:0], adopted: r.adopted[:0]}
	r.head.Selecting = names
	p.requests.Put(r)
}

// setKey computes the primary key.
func (r *request) setKey() {
	r.key = cachekey.Append(r.key[:0], cachekey.Parts{
		Service: r.service.Name, Fingerprint: r.ruling.Print,
		Scheme: r.scheme, Host: r.host, Target: r.target,
	})
	r.primary = len(r.key)
	r.digest = cachekey.Digest(r.key)
}

// setVariant extends the key by the values that the request has for the selecting fields, and by the
// generation of the list that names these.
func (r *request) setVariant(names []string, generation string) {
	primary := r.key[:r.primary]
	variant := cachekey.AppendVariant(r.key[r.primary:], primary, names, r.selecting)
	// AppendVariant writes behind the primary key, which stays in front for the next variant.
	r.key = append(append(primary, variant...), generation...)
	r.digest = cachekey.Digest(r.variantKey())
}

// setSuffix makes the key that of what is kept beside the primary key under another one.
func (r *request) setSuffix(key []byte) {
	r.key = append(r.key[:r.primary], key...)
	r.digest = cachekey.Digest(r.variantKey())
}

// variantKey is the key that the entry looked at must carry.
func (r *request) variantKey() []byte {
	if len(r.key) == r.primary {
		return r.key
	}
	return r.key[r.primary:]
}

// selecting is selectingValue without an allocation: the value is valid until the next call.
func (r *request) selecting(name string) (string, bool) {
	if httpcache.KeptBack(r.header, name) {
		return "", false
	}
	if value, present, reduces := r.reduced(r.header, name); reduces {
		return value, present
	}
	value, present := r.appendSelecting(r.value[:0], r.header, name)
	r.value = value
	return unsafe.String(unsafe.SliceData(value), len(value)), present
}

// storeKey is the digest as the string that stores take. It is valid until the digest changes.
func (r *request) storeKey() string { return unsafe.String(&r.digest[0], len(r.digest)) }

// lowerHost returns the host in lower case, without port and final dot; ok is false when it is not a host
// (RFC 9110, 7.2).
func (r *request) lowerHost(authority string) (host string, ok bool) {
	host = authority
	if i := strings.LastIndexByte(host, ':'); i >= 0 && i > strings.LastIndexByte(host, ']') {
		if strings.Trim(host[i+1:], "0123456789") != "" {
			return "", false
		}
		host = host[:i]
	}
	host = policy.TrimRoot(host)
	if !isLower(host) {
		r.lowered = append(r.lowered[:0], host...)
		for i, c := range r.lowered {
			if c >= 'A' && c <= 'Z' {
				r.lowered[i] = c + 'a' - 'A'
			}
		}
		host = unsafe.String(unsafe.SliceData(r.lowered), len(r.lowered))
	}
	return host, policy.ValidHost(host)
}

func isLower(s string) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return false
		}
	}
	return true
}
