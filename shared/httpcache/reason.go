package httpcache

// Reason is why a response is not stored. The set is closed: metrics count by it and Cache-Status names
// it.
type Reason uint8

const (
	ReasonNone           Reason = iota // may be stored
	ReasonMethod                       // the request was no GET
	ReasonPrecondition                 // the request had If-Match or If-Unmodified-Since
	ReasonRequestNoStore               // the client asked for it, and the policy honours that
	ReasonStatus                       // a status that is never stored
	ReasonPartial                      // 206
	ReasonNoStore                      // no-store
	ReasonMustUnderstand               // must-understand with a status that this cache does not know
	ReasonPrivate                      // private
	ReasonAuthorization                // the request had Authorization and the response allows no sharing
	ReasonSetCookie                    // Set-Cookie, which the policy does not store
	ReasonVaryStar                     // Vary that nothing can match
	ReasonNoFreshness                  // nothing that a later request could use
	ReasonOddRequest                   // an error that unusual fields of the request may have caused

	// The following are found by those who store, never by Storable.

	ReasonTooLarge    // over the size limit of the service or the store
	ReasonTruncated   // the body ended early
	ReasonTooManyTags // more tags or groups than an entry may have, or one that is too long
	ReasonTooDeep     // more directories in the path than an entry may have
	ReasonPurged      // a purge came between the fill's start and its end
	ReasonDigest      // the body does not have the digest that was promised
	ReasonStore       // the store refused it

	reasonCount
)

var reasonNames = [reasonCount]string{
	ReasonNone: "", ReasonMethod: "method", ReasonPrecondition: "precondition", ReasonRequestNoStore: "request-no-store",
	ReasonStatus: "status", ReasonPartial: "partial", ReasonNoStore: "no-store", ReasonMustUnderstand: "must-understand",
	ReasonPrivate: "private", ReasonAuthorization: "authorization", ReasonSetCookie: "set-cookie",
	ReasonVaryStar: "vary-star", ReasonNoFreshness: "no-freshness", ReasonOddRequest: "odd-request", ReasonTooLarge: "too-large",
	ReasonTruncated: "truncated", ReasonTooManyTags: "too-many-tags", ReasonTooDeep: "too-deep",
	ReasonPurged: "purged", ReasonDigest: "digest", ReasonStore: "store",
}

// String is the reason as a token, "" for ReasonNone.
func (r Reason) String() string {
	if r >= reasonCount {
		return "invalid"
	}
	return reasonNames[r]
}

// OfRequest reports whether the reason lies in this one request. The next request for the same key may
// well be stored, so such a reason must not mark the key as uncacheable: a client could choose to.
func (r Reason) OfRequest() bool {
	switch r {
	case ReasonMethod, ReasonPrecondition, ReasonRequestNoStore, ReasonPartial, ReasonAuthorization, ReasonOddRequest:
		return true
	}
	return false
}
