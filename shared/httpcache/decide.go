package httpcache

import (
	"math"
	"time"
)

// Use is what may be done with a stored response for one request.
type Use uint8

const (
	// UseRevalidate: forward the request, with Conditional's fields, and answer with what comes back.
	UseRevalidate Use = iota
	// UseFresh: answer with it.
	UseFresh
	// UseStale: answer with it although it is stale, since the client asked for that (max-stale).
	UseStale
	// UseStaleWhileRevalidate: answer with it, and validate it in the background.
	UseStaleWhileRevalidate
	// UseRefuse: it may not be used and the client forbade to forward (only-if-cached): answer 504.
	UseRefuse

	useCount
)

var useNames = [useCount]string{
	UseRevalidate: "revalidate", UseFresh: "fresh", UseStale: "stale",
	UseStaleWhileRevalidate: "stale-while-revalidate", UseRefuse: "refuse",
}

// String is the use as a token.
func (u Use) String() string {
	if u >= useCount {
		return "invalid"
	}
	return useNames[u]
}

// Decision is the answer to one request for one stored response.
type Decision struct {
	Use Use
	Fwd FwdReason     // why the request is forwarded; FwdNone when it is not or only in the background
	TTL time.Duration // lifetime minus age; negative when stale
	Age time.Duration // for the Age field
}

// Decide says whether the stored response m may answer r at now (RFC 9111, 4). The caller has chosen m
// by key and variant, and has set FlagPurged if a soft purge concerns it; one that a hard purge concerns must
// not get here.
//
// INVARIANT: a response that says no-cache is never used without validation; nor is a stale one that
// says must-revalidate, proxy-revalidate or s-maxage, whatever the request or the policy's windows say.
func Decide(m *Meta, r *Request, now time.Time, p *Policy) Decision {
	d := Decision{Age: m.CurrentAge(now)}
	d.TTL = m.timeLeft(d.Age, p)
	d.Use, d.Fwd = decide(m, r, d, p)
	if d.Use == UseRevalidate && r.OnlyIfCached() && r.Bypass() == FwdNone {
		d.Use, d.Fwd = UseRefuse, FwdNone
	}
	return d
}

func decide(m *Meta, r *Request, d Decision, p *Policy) (Use, FwdReason) {
	if fwd := r.Bypass(); fwd != FwdNone {
		return UseRevalidate, fwd
	}
	if m.Flags.Has(FlagNoCache) {
		return UseRevalidate, FwdStale
	}
	if p.HonourRequestDirectives && r.demandsNewer(d) {
		return UseRevalidate, FwdRequest
	}
	if d.TTL > 0 {
		return UseFresh, FwdNone
	}
	if p.HonourRequestDirectives && m.mayBeStale(p) && r.acceptsStale(-d.TTL) {
		return UseStale, FwdNone
	}
	if -d.TTL < m.staleWindow(m.StaleWhileRevalidate, p.Override.StaleWhileRevalidate, p) {
		return UseStaleWhileRevalidate, FwdNone
	}
	return UseRevalidate, FwdStale
}

// Demands reports whether the request has directives that, where they are honoured, send it or others past the cache.
func (r *Request) Demands() bool {
	return r.Flags&(RequestNoCache|RequestNoStore) != 0 || r.MaxAge >= 0 || r.MinFresh >= 0
}

// demandsNewer reports whether the client's no-cache, max-age or min-fresh rule the response out
// (RFC 9111, 5.2.1).
func (r *Request) demandsNewer(d Decision) bool {
	if r.Has(RequestNoCache) {
		return true
	}
	if r.MaxAge >= 0 && d.Age > seconds(r.MaxAge) {
		return true
	}
	return r.MinFresh >= 0 && d.TTL < seconds(r.MinFresh)
}

// acceptsStale reports whether the client's max-stale covers that much.
func (r *Request) acceptsStale(by time.Duration) bool {
	if r.MaxStale < 0 {
		return false
	}
	return r.MaxStale == math.MaxInt64 || by <= seconds(r.MaxStale)
}

// mayBeStale reports whether the response allows any use while it is stale (RFC 9111, 4.2.4). s-maxage
// includes proxy-revalidate (5.2.2.10).
func (m *Meta) mayBeStale(p *Policy) bool {
	if m.Flags.Any(FlagMustRevalidate | FlagProxyRevalidate | FlagNoCache) {
		return false
	}
	return m.SMaxAge < 0 || p.StaleDespiteSMaxAge
}

// timeLeft is lifetime minus age. A soft purge ends the lifetime at once.
func (m *Meta) timeLeft(age time.Duration, p *Policy) time.Duration {
	left := m.Lifetime(p) - age
	if m.Flags.Has(FlagPurged) {
		return min(left, 0)
	}
	return left
}

// staleWindow is how long after its lifetime the response may be used: what the operator says, else what it
// says itself in seconds; 0 when it says nothing or forbids stale use.
func (m *Meta) staleWindow(own int64, override *time.Duration, p *Policy) time.Duration {
	switch {
	case !m.mayBeStale(p):
		return 0
	case override != nil:
		return max(*override, 0)
	}
	return seconds(own)
}

// MayServeOnError says whether m may answer r at now after its revalidation failed: with a status that
// ErrorStatus names, or without a response (RFC 5861, 4). A response that is still fresh may, unless the
// client's honoured no-cache asked for validation.
func MayServeOnError(m *Meta, r *Request, now time.Time, p *Policy) bool {
	if r.Bypass() != FwdNone || m.Flags.Has(FlagNoCache) {
		return false
	}
	if p.HonourRequestDirectives && r.Has(RequestNoCache) {
		return false
	}
	staleness := -m.timeLeft(m.CurrentAge(now), p)
	if staleness < 0 {
		return true
	}
	window := m.staleWindow(m.StaleIfError, p.Override.StaleIfError, p)
	if p.HonourRequestDirectives && m.mayBeStale(p) {
		window = max(window, seconds(r.StaleIfError))
	}
	return staleness < window
}
