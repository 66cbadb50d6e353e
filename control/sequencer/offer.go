package sequencer

import (
	"context"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// offerTime is how long an offer waits for its turn: who polls takes a few milliseconds, or does not get through.
const offerTime = 100 * time.Millisecond

// offer is entries that a transaction of this node has given numbers, after its commit.
type offer struct {
	rows []controllog.Row
	done chan struct{} // closed once they were looked at
}

// Offer applies and publishes entries that the caller has committed to the log, without reading them again, and returns when
// that is done, or after offerTime. Entries that do not follow what this node has applied, and those that come while it waits
// for PostgreSQL, are left to the next poll: that comes at once.
func (s *Sequencer) Offer(ctx context.Context, rows []controllog.Row) {
	if len(rows) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	o := offer{rows, make(chan struct{})}
	select {
	case s.offers <- o:
	case <-s.ended:
		return
	case <-ctx.Done():
		s.rouse()
		return
	}
	select {
	case <-o.done:
	case <-ctx.Done():
	}
}

// accept takes an offer.
//
// INVARIANT: nobody who waits for the head is told of one here. It was not read after their question, and what others have
// committed may be waiting for numbers.
func (s *Sequencer) accept(ctx context.Context, o offer) {
	defer close(o.done)
	replica, last := s.replica.Load(), o.rows[len(o.rows)-1]
	switch {
	case replica != nil && last.Epoch <= replica.Applied(): // a poll was quicker
	case replica == nil || o.rows[0].Prev != replica.Applied():
		s.rouse()
	default:
		if err := s.take(ctx, postgres.Poll{Head: last.Epoch, Chain: last.Chain, Rows: o.rows}); err != nil {
			s.rouse() // which says what is wrong
		}
	}
}
