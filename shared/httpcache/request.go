package httpcache

import "math"

// Method is a request's method as far as caching tells methods apart.
type Method uint8

const (
	MethodOther   Method = iota // unsafe or unknown: never answered from the cache, makes stored responses invalid
	MethodGet                   // answered and stored
	MethodHead                  // answered from what a GET stored, never stored itself
	MethodOptions               // safe, never cached; so is TRACE
)

// ParseMethod reads a method, which is case-sensitive (RFC 9110, 9.1).
func ParseMethod(method string) Method {
	switch method {
	case "GET":
		return MethodGet
	case "HEAD":
		return MethodHead
	case "OPTIONS", "TRACE":
		return MethodOptions
	}
	return MethodOther
}

// Safe reports whether a response to the method leaves stored responses valid (RFC 9111, 4.4).
func (m Method) Safe() bool { return m != MethodOther }

// RequestFlags are the parts of a request that are there or not.
type RequestFlags uint16

const (
	RequestNoCache       RequestFlags = 1 << iota // no-cache, or Pragma: no-cache without Cache-Control
	RequestNoStore                                // no-store
	RequestOnlyIfCached                           // only-if-cached
	RequestAuthorization                          // an Authorization field
	RequestRange                                  // a Range field
	RequestCondition                              // If-None-Match or If-Modified-Since: the cache may evaluate it
	RequestPrecondition                           // If-Match or If-Unmodified-Since: only the origin may
)

// Request is what a request says about its use of the cache. The zero value is an unsafe method; it is
// made by ParseRequest.
type Request struct {
	Method       Method
	Flags        RequestFlags
	MaxAge       int64 // s; -1 absent
	MinFresh     int64 // s; -1 absent
	MaxStale     int64 // s; -1 absent, math.MaxInt64 without an argument
	StaleIfError int64 // s; -1 absent
}

// Has reports whether all of those flags are set.
func (r *Request) Has(want RequestFlags) bool { return r.Flags&want == want }

// ParseRequest reads a request's header. It keeps nothing of h and, with an Indexed header, allocates
// nothing.
func ParseRequest(method string, h Header) Request {
	r := Request{Method: ParseMethod(method), MaxAge: -1, MinFresh: -1, MaxStale: -1, StaleIfError: -1}
	for i := range requestFields {
		if f := &requestFields[i]; has(h, f.name) {
			r.Flags |= f.flag
		}
	}
	if has(h, "Cache-Control") {
		r.readDirectives(h)
	} else if pragmaNoCache(h) {
		r.Flags |= RequestNoCache
	}
	return r
}

var requestFields = [...]struct {
	name string
	flag RequestFlags
}{
	{"Authorization", RequestAuthorization},
	{"Range", RequestRange},
	{"If-None-Match", RequestCondition},
	{"If-Modified-Since", RequestCondition},
	{"If-Match", RequestPrecondition},
	{"If-Unmodified-Since", RequestPrecondition},
}

// readDirectives reads Cache-Control (RFC 9111, 5.2.1). Of a repeated directive the smallest value
// counts; a value that is no number is 0, which is the strictest for max-age and max-stale.
func (r *Request) readDirectives(h Header) {
	s := scanDirectives(h)
	for {
		name, arg, ok := s.next()
		if !ok {
			return
		}
		switch {
		case sameName(name, "no-cache"):
			r.Flags |= RequestNoCache
		case sameName(name, "no-store"):
			r.Flags |= RequestNoStore
		case sameName(name, "only-if-cached"):
			r.Flags |= RequestOnlyIfCached
		case sameName(name, "max-age"):
			restrict(&r.MaxAge, arg.seconds())
		case sameName(name, "min-fresh"):
			r.MinFresh = max(r.MinFresh, arg.seconds())
		case sameName(name, "max-stale"):
			restrict(&r.MaxStale, maxStale(arg))
		case sameName(name, "stale-if-error"):
			restrict(&r.StaleIfError, arg.seconds())
		}
	}
}

// maxStale without an argument accepts a stale response of any age (RFC 9111, 5.2.1.2).
func maxStale(arg argument) int64 {
	if arg.form == argNone {
		return math.MaxInt64
	}
	return arg.seconds()
}

// pragmaNoCache reads Pragma, which counts only when there is no Cache-Control (RFC 9111, 5.4).
func pragmaNoCache(h Header) bool {
	l := linesOf(h, "Pragma")
	for line, ok := l.next(); ok; line, ok = l.next() {
		members := list{rest: line}
		for member, more := members.next(); more; member, more = members.next() {
			if sameName(member, "no-cache") {
				return true
			}
		}
	}
	return false
}

// Bypass says why the request must pass by the cache, FwdNone when it may be answered from it. The
// response to a request that bypasses the cache is not stored.
func (r *Request) Bypass() FwdReason {
	switch {
	case r.Method != MethodGet && r.Method != MethodHead:
		return FwdMethod
	case r.Has(RequestPrecondition):
		return FwdBypass
	}
	return FwdNone
}

// OnlyIfCached reports whether the request must not be forwarded: with nothing to answer it from, the
// reply is 504 (RFC 9111, 5.2.1.7).
func (r *Request) OnlyIfCached() bool {
	return r.Has(RequestOnlyIfCached)
}
