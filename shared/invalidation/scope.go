package invalidation

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"tiercache/shared/object"
)

// What a response may belong to. One beyond is not stored: a purge could not reach it.
const (
	// MaxTags is how many different tags a response may have.
	MaxTags = 256
	// MaxLevels is how many directories the path of a response may have, "/" among them.
	MaxLevels = 16
)

// Errors of responses that cannot be stored.
var (
	// ErrTooManyTags: more than MaxTags.
	ErrTooManyTags = fmt.Errorf("a response may have %d tags", MaxTags)
	// ErrTooDeep: a path of more than MaxLevels directories.
	ErrTooDeep = fmt.Errorf("the path of a response may have %d levels", MaxLevels)
	// ErrTarget: the request target is no path.
	ErrTarget = errors.New("the target of a response is not a path")
)

// scopeVersion starts what is hashed. Scopes are stored with responses and in images of the index, so what a
// version hashes to never changes.
const scopeVersion = "tiercache scope 1"

// What a scope names. INVARIANT: scopes of different domains never have the same bytes to hash.
const (
	domainAll     = 'a'
	domainService = 's'
	domainHost    = 'h'
	domainPrefix  = 'p'
	domainTag     = 't'
	domainURL     = 'u'
	domainParam   = 'q' // see QueryScopes
	domainQueries = 'r'
)

// AllScope is everything. A response need not carry it: the index keeps it as a floor.
func AllScope() object.Scope { return hashScope(domainAll) }

// ServiceScope is all responses of a service.
func ServiceScope(service string) object.Scope { return hashScope(domainService, service) }

// HostScope is all responses for a host, which is in lower case and without port.
func HostScope(host string) object.Scope { return hashScope(domainHost, host) }

// PrefixScope is all that is below a directory of a host; dir begins and ends with "/".
func PrefixScope(host, dir string) object.Scope { return hashScope(domainPrefix, host, dir) }

// TagScope is all responses of a service that have a tag, which is canonical: see CanonicalTag. Without a
// service: those of any.
func TagScope(service, tag string) object.Scope { return hashScope(domainTag, service, tag) }

// URLScope is one URL with one query, which then begins with "?", or one path with all of its queries. Path
// and query are those of the request, byte for byte.
func URLScope(host, path, query string) object.Scope { return hashScope(domainURL, host, path, query) }

// hashScope is the first half of the SHA-256 of version, domain and fields, each field after its length in
// 8 bytes, big-endian.
func hashScope(domain byte, fields ...string) object.Scope {
	var buf [512]byte // on the stack; longer ones are rare
	b := append(buf[:0], scopeVersion...)
	b = append(b, domain)
	for _, f := range fields {
		b = binary.BigEndian.AppendUint64(b, uint64(len(f)))
		b = append(b, f...)
	}
	sum := sha256.Sum256(b)
	return object.Scope(sum[:len(object.Scope{})])
}

// Response is what decides the scopes of a response.
type Response struct {
	Service string
	Host    string   // in lower case, without port
	Target  string   // path and query as received, or as kept
	Tags    []string // canonical
	// OwnOrigin: it comes from the platform's own origin, where an object under host "*" serves any host.
	OwnOrigin bool
	// ForMany: requests with other queries than that of Target are given it too.
	ForMany bool
}

// AppendScopes appends the scopes of r to dst: its service, host, directories, URL with and without query,
// and its tags, both within the service and of any. Errors: ErrTooManyTags, ErrTooDeep, ErrTarget; dst is then
// unchanged.
func AppendScopes(dst []object.Scope, r *Response) ([]object.Scope, error) {
	path, query := r.Target, ""
	if i := strings.IndexByte(path, '?'); i >= 0 {
		path, query = path[:i], path[i:]
	}
	tags := distinct(r.Tags)
	switch {
	case !strings.HasPrefix(path, "/"):
		return dst, fmt.Errorf("%w: %.100q", ErrTarget, path)
	case strings.Count(path, "/") > MaxLevels:
		return dst, ErrTooDeep
	case len(tags) > MaxTags:
		return dst, ErrTooManyTags
	}
	dst = append(dst, ServiceScope(r.Service), HostScope(r.Host), URLScope(r.Host, path, ""))
	if query != "" {
		dst = append(dst, URLScope(r.Host, path, query))
	}
	if r.ForMany {
		dst = appendKeptScopes(dst, r.Host, path, query)
	}
	if r.OwnOrigin {
		dst = append(dst, URLScope("*", path, ""))
	}
	for i := range len(path) {
		if path[i] == '/' {
			dst = append(dst, PrefixScope(r.Host, path[:i+1]))
		}
	}
	for _, tag := range tags {
		dst = append(dst, TagScope(r.Service, tag), TagScope("", tag))
	}
	return dst, nil
}
