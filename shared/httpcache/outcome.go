package httpcache

// Outcome is how a request was answered. The set is closed: metrics, spans, logs and Cache-Status name
// it alike.
type Outcome uint8

const (
	OutcomeNone Outcome = iota // not answered yet
	Hit                        // from the store, fresh
	Stale                      // from the store, stale, as its windows allow
	Revalidated                // from the store after a 304
	Miss                       // from upstream, by a fill of its own
	Collapsed                  // from upstream, by a fill that was under way
	Pass                       // from upstream, bypassing the cache
	Error                      // by an error that this cache made

	outcomeCount
)

var outcomeNames = [outcomeCount]string{
	OutcomeNone: "none", Hit: "hit", Stale: "stale", Revalidated: "revalidated",
	Miss: "miss", Collapsed: "collapsed", Pass: "pass", Error: "error",
}

// String is the outcome as a token.
func (o Outcome) String() string {
	if o >= outcomeCount {
		return "invalid"
	}
	return outcomeNames[o]
}

// FwdReason is why a request went to the next tier (RFC 9211, 2.2).
type FwdReason uint8

const (
	FwdNone     FwdReason = iota // it did not
	FwdBypass                    // the cache was configured not to handle it
	FwdMethod                    // its method requires it
	FwdURIMiss                   // nothing stored for the URI
	FwdVaryMiss                  // stored for the URI, but for other request fields
	FwdMiss                      // nothing stored, of either kind
	FwdRequest                   // stored and fresh, but the request's directives forbid it
	FwdStale                     // stored, but stale
	FwdPartial                   // stored in part only

	fwdCount
)

var fwdNames = [fwdCount]string{
	FwdNone: "", FwdBypass: "bypass", FwdMethod: "method", FwdURIMiss: "uri-miss", FwdVaryMiss: "vary-miss",
	FwdMiss: "miss", FwdRequest: "request", FwdStale: "stale", FwdPartial: "partial",
}

// String is the token of RFC 9211, "" for FwdNone.
func (f FwdReason) String() string {
	if f >= fwdCount {
		return "invalid"
	}
	return fwdNames[f]
}
