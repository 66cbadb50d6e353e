package follower

import (
	"time"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// Index is what the node knows of purges. It is safe for concurrent use and the same for the Follower's life.
func (f *Follower) Index() *invalidation.Index { return f.replica.Index() }

// Applied is the epoch up to which the node has applied the log.
func (f *Follower) Applied() uint64 { return f.replica.Applied() }

// AppliedAt is what Applied was at that time; 0 when that is not known any more.
func (f *Follower) AppliedAt(t time.Time) uint64 { return f.history.At(t) }

// Live reports whether the node holds a lease: all that was purged before now minus LeaseTime, it has applied.
func (f *Follower) Live(now time.Time) bool { return f.lease.Live(now) }

// Check says whether a response with that stamp and those scopes still stands.
//
// INVARIANT: where the store outlives the node, a stamp above applied is believed only by a view that had caught
// up with the log. A node that starts from an old view, or from none, finds entries in L2 that are newer than all
// it knows of purges; that it knows of none against them says nothing. What an empty store was filled with since
// the start, the next tier has vouched for.
func (f *Follower) Check(stamp uint64, scopes []object.Scope) invalidation.Verdict {
	if f.cfg.Durable && stamp > f.Applied() && !f.caughtUp.Load() && !f.Live(f.now()) {
		return invalidation.Dead
	}
	return f.Index().Check(stamp, scopes)
}
