package proxy

import (
	"time"

	"tiercache/shared/flight"
	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// result is what a fill hands to all that wait for it. It is immutable once published.
type result struct {
	// solo is a response that may not be shared: the leader takes it, all others go alone.
	solo   *soloResponse
	reason httpcache.Reason // why it is not stored; ReasonNone when it is
	// alone says that the fill yielded nothing for anybody: whoever waited fetches by itself.
	alone bool

	// Otherwise a response that may be shared.
	head   object.Head
	inline []byte       // its body when it is stored and small
	key    string       // its store key
	body   *flight.Body // its body while it arrives; nil when it is stored
	first  *flight.Reader
	length int64 // of body, -1 when unknown

	// withheld is for the client alone that led the fill, and never stored (RFC 9111, 5.2.2.4 and 5.2.2.7).
	withheld object.Block

	live  bool      // a tier behind this one, or a foreign upstream, vouches for it
	begun time.Time // when it was asked; zero for what stands in for a response that did not come
	stale bool      // it stands in for a response that did not come (RFC 5861, 4), here or at a tier behind this one
	asked uint64    // what the node that asked the upstream had applied when it asked

	fleet fleetResult // what came of making every node forget what an unsafe method has made invalid

	forgotten uint64 // what the counter of the URI was when the request was sent

	fwd       httpcache.FwdReason
	fwdStatus int // the upstream's status, 0 when it sent none
	outcome   httpcache.Outcome
	status    []string        // Cache-Status of the tiers behind this one
	rules     httpcache.Rules // that decided
}

// soloResponse is a response for one client. What it stands for is in the result.
type soloResponse struct {
	response *Response
	fields   httpcache.Fields
	meta     httpcache.Meta
}

// member is this node's part of Cache-Status.
func (res *result) member(collapsed bool) httpcache.Member {
	m := httpcache.Member{
		Outcome: res.outcome, Fwd: res.fwd, FwdStatus: res.fwdStatus,
		Stored: res.stored(), Collapsed: collapsed, Detail: res.detail(), Rules: res.rules,
	}
	if collapsed && m.Outcome == httpcache.Miss {
		m.Outcome = httpcache.Collapsed
	}
	return m
}

// detail is what Cache-Status says beside the outcome.
func (res *result) detail() string {
	if res.stale {
		return "stale-if-error"
	}
	if detail := res.fleet.detail(); detail != "" {
		return detail
	}
	return res.reason.String()
}

// vouches reports whether somebody else vouches for it as of when the request came.
//
// INVARIANT: who has vouched for a response before the request came knows nothing of purges since then. A flight may
// take much longer than a lease lasts.
func (res *result) vouches(r *request) bool { return res.live && !res.begun.Before(r.now) }

// told is what the reply to that request says that the result stands for.
func (res *result) told(r *request) *told {
	return &told{status: res.status, stamp: res.head.Stamp, live: res.vouches(r), stale: res.stale, asked: res.asked}
}

// stored reports whether the fill stored what it fetched.
func (res *result) stored() bool {
	fetched := res.outcome == httpcache.Miss || res.outcome == httpcache.Revalidated || res.body != nil
	return fetched && res.reason == httpcache.ReasonNone
}

// abandon closes what only the leader could have read. Nobody else ever does: connection and slot of a
// response that is not shared would be lost, and a body that is not stored would wait for a reader.
func (res *result) abandon() {
	if res.solo != nil {
		_ = res.solo.response.Body.Close() // given up: how it ends does not matter
	}
	if res.first != nil {
		_ = res.first.Close() // a flight's reader closes without error
	}
}
