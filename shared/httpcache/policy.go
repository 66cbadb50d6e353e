package httpcache

import "time"

// Policy is what an operator may choose about a decision. Its zero value is RFC 9111 with the safe side
// of each choice.
type Policy struct {
	// HonourRequestDirectives obeys the client's no-cache (and Pragma), no-store, max-age, min-fresh,
	// max-stale and stale-if-error. By default they are ignored, as by any shield: each is a lever by
	// which a client sends its requests past the cache. Turn it on where clients are trusted or rate
	// limited. only-if-cached is obeyed either way, since it only ever spares the upstream.
	HonourRequestDirectives bool

	// StoreSetCookie stores responses with Set-Cookie. RFC 9111 allows that; each client is then handed
	// the cookie of whoever came first, so it is refused by default. The field alone may be withheld
	// by the upstream with no-cache="set-cookie".
	StoreSetCookie bool

	// StaleDespiteSMaxAge lets stale-while-revalidate and stale-if-error work beside s-maxage. RFC 9111,
	// 5.2.2.10 forbids it, but many sites send both and mean it.
	StaleDespiteSMaxAge bool

	// NoHeuristics gives responses without explicit freshness none (RFC 9111, 4.2.2).
	NoHeuristics bool

	// ForceStore stores, for as long as Override says, what the upstream forbids to store or to share: see Forces.
	// Whoever sets it must see to it that the upstream cannot tell one client from another.
	ForceStore bool

	// Override is what the operator says instead of the upstream.
	Override Override
}

// Override replaces what responses say of their freshness; nil fields replace nothing. What forbids
// storing or sharing them is not touched, and must-revalidate and its kin still forbid stale use.
type Override struct {
	// TTL is the lifetime of successful responses and permanent redirects: 200, 203, 204, 300, 301, 308.
	TTL *time.Duration
	// NegativeTTL is the lifetime of 404, 405, 410, 414 and 501.
	NegativeTTL *time.Duration
	// StaleWhileRevalidate and StaleIfError are the windows (RFC 5861).
	StaleWhileRevalidate *time.Duration
	StaleIfError         *time.Duration
}

// TakesTTL reports whether Override.TTL is for responses with that status.
func TakesTTL(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308:
		return true
	}
	return false
}

// TakesNegativeTTL reports whether Override.NegativeTTL is for responses with that status.
func TakesNegativeTTL(status int) bool {
	switch status {
	case 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// lifetime is the operator's lifetime for a status.
func (o *Override) lifetime(status int) *time.Duration {
	switch {
	case TakesTTL(status):
		return o.TTL
	case TakesNegativeTTL(status):
		return o.NegativeTTL
	}
	return nil
}
