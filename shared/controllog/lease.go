package controllog

import (
	"slices"
	"sync"
	"time"
)

// Lease is a node's right to call itself current: it knows of every purge that was sequenced more than LeaseTime
// ago. It is safe for concurrent use. It reads no clock: times are given, with their monotonic readings.
type Lease struct {
	mu struct {
		sync.Mutex
		applied uint64
		held    time.Time // when the request for the lease that counts was sent; zero: there is none
		waiting []grant   // heads not applied yet; ascending by sent and by head
	}
}

// grant is an answer of control.
type grant struct {
	sent time.Time
	head uint64
}

// maxWaiting bounds the grants that wait for the node to catch up. A further one is dropped: those that wait are
// satisfied before it, or end.
const maxWaiting = 16

// Grant takes an answer to a request that was sent at sent.
//
// INVARIANT: the lease runs from when the request was sent, not from when the answer came: head was read somewhere
// between the two.
func (l *Lease) Grant(sent time.Time, head uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if head <= l.mu.applied {
		l.hold(sent)
		return
	}
	w := slices.DeleteFunc(l.mu.waiting, func(g grant) bool {
		return !runs(g.sent, sent) || g.head >= head && !g.sent.After(sent)
	})
	if n := len(w); n == 0 || n < maxWaiting && sent.After(w[n-1].sent) {
		w = append(w, grant{sent, head})
	}
	l.mu.waiting = w
}

// Reached takes how far the node has applied the log.
//
// INVARIANT: an answer counts only once its head is applied. A node that hears but cannot catch up holds no lease.
func (l *Lease) Reached(applied uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if applied <= l.mu.applied {
		return
	}
	l.mu.applied = applied
	l.mu.waiting = slices.DeleteFunc(l.mu.waiting, func(g grant) bool {
		if g.head > applied {
			return false
		}
		l.hold(g.sent)
		return true
	})
}

// hold makes the lease count from sent, if that is later than what it counts from. l.mu is held.
func (l *Lease) hold(sent time.Time) {
	if l.mu.held.IsZero() || sent.After(l.mu.held) {
		l.mu.held = sent
	}
}

// Live reports whether the node holds a lease at now. A zero Lease does not.
func (l *Lease) Live(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.mu.held.IsZero() && runs(l.mu.held, now)
}

// Revoke ends the lease and forgets the answers that wait. Later ones count again.
func (l *Lease) Revoke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.held, l.mu.waiting = time.Time{}, nil
}

// runs reports whether a lease that was asked for at sent still runs at now.
//
// INVARIANT: it ends as soon as either clock has advanced by LeaseTime. The monotonic clock stands still while a
// machine sleeps; the wall clock may be set back.
func runs(sent, now time.Time) bool {
	return now.Sub(sent) < LeaseTime && now.Round(0).Sub(sent.Round(0)) < LeaseTime
}
