package l2

import "sync/atomic"

// Stats is what has happened to a breaker's store since the breaker was made. The
// numbers are read one after the other while calls go on.
type Stats struct {
	Available bool   // the breaker is closed
	Hits      uint64 // lookups that found a value
	Misses    uint64 // lookups that the store answered with not found
	Stores    uint64 // values stored
	Errors    uint64 // calls that the store failed to answer, or refused for want of room
	Timeouts  uint64 // those of the errors for which time ran out
	Slow      uint64 // calls that were answered, but so late that they count against the store
	Skipped   uint64 // calls that were not made because the breaker was open
}

// Stats returns the counters.
func (b *Breaker) Stats() Stats {
	c := &b.counters
	return Stats{
		Available: b.Available(),
		Hits:      c.hits.Load(),
		Misses:    c.misses.Load(),
		Stores:    c.stores.Load(),
		Errors:    c.errors.Load(),
		Timeouts:  c.timeouts.Load(),
		Slow:      c.slow.Load(),
		Skipped:   c.skipped.Load(),
	}
}

// counters are shared by all calls. A call to a store over the network costs a
// thousand times what contention on one of these does.
type counters struct {
	hits, misses, stores, errors, timeouts, slow, skipped atomic.Uint64
	cause                                                 atomic.Pointer[failure]
}

// failure is the error of a call that counted against the store; nil when it was
// only slow.
type failure struct{ err error }

// fail counts a call that went against the store. Who gave up is not counted as an
// error of the store.
func (c *counters) fail(err error, gaveUp bool) {
	switch {
	case gaveUp:
	case err == nil || isAnswer(err):
		c.slow.Add(1)
	default:
		c.errors.Add(1)
		if isTimeout(err) {
			c.timeouts.Add(1)
		}
	}
}

// lastCause is the last failure, as an error that is never nil.
func (c *counters) lastCause() error {
	if f := c.cause.Load(); f != nil && f.err != nil && !isAnswer(f.err) {
		return f.err
	}
	return errSlow
}
