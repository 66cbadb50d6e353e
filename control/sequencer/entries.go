package sequencer

import (
	"context"
	"fmt"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

const (
	// maxFetches bounds the reads of old entries from PostgreSQL at a time.
	maxFetches = 8

	// maxAhead is how far above this machine's clock an epoch may be that a node claims to have applied. A
	// term starts at the time in microseconds and counts writes, so that epochs stay behind the clock.
	maxAhead = time.Hour

	// heardInterval is how often a node that is ahead of the log may make the number line jump, and maxClaims how often
	// all of them may within heardWindow. Who restores the database more often than that can start it anew: that is a
	// term as well.
	heardInterval = 10 * time.Second
	heardWindow   = time.Hour
	maxClaims     = 3

	// branchInterval is how often PostgreSQL is asked to begin a term for nodes of another branch: those of one branch
	// need one term together.
	branchInterval = time.Second
)

// EpochOf is the epoch of a write by its id, as far as it is among the newest entries.
func (s *Sequencer) EpochOf(id string) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	epoch, ok := s.mu.tail.epochs[id]
	return epoch, ok
}

// Entries are the encoded entries behind after, oldest first: about limit bytes of them at most, at least
// one where there is one. When there are none, head is the end of the log, read after the call; else an epoch
// that it has reached. Errors: postgres.ErrCompacted, those of Log, ctx's.
func (s *Sequencer) Entries(ctx context.Context, after uint64, limit int) (entries []byte, head uint64, err error) {
	if entries, ok := s.recent(after, limit); ok {
		return entries, s.Applied(), nil
	}
	if after < s.Applied() {
		return s.stored(ctx, after, limit)
	}
	if head, err = s.Head(ctx); err != nil || head == after {
		return nil, head, err
	}
	if entries, ok := s.recent(after, limit); ok {
		return entries, head, nil
	}
	return s.stored(ctx, after, limit)
}

// recent are entries from memory, false when what follows after is not there.
func (s *Sequencer) recent(after uint64, limit int) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.tail.after(after, limit)
}

// stored reads entries from PostgreSQL.
func (s *Sequencer) stored(ctx context.Context, after uint64, limit int) ([]byte, uint64, error) {
	select {
	case s.fetch <- struct{}{}:
		defer func() { <-s.fetch }()
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	poll, err := s.deps.Log.Poll(ctx, after)
	switch {
	case err != nil:
		return nil, 0, err
	case poll.Compacted:
		return nil, poll.Head, postgres.ErrCompacted
	}
	if poll.Head > s.Applied() {
		s.rouse() // this very read may have sequenced entries, which are to be published
	}
	var b []byte
	for i := range poll.Rows {
		e, _ := poll.Rows[i].Entry() // counted and logged where it is applied
		before := len(b)
		b = controllog.AppendEntry(b, &e)
		if before > 0 && len(b) > limit {
			return b[:before], poll.Head, nil
		}
	}
	return b, poll.Head, nil
}

// Ahead is to be called when a node has applied an epoch above the head: PostgreSQL was set back. The number
// line jumps, and everything is purged softly, since nobody knows what the lost entries said. A node with a
// stolen key could call for that again and again: it is granted now and then only, and never for an epoch
// that cannot be. How often it was, the log itself says, to all control nodes and over their restarts. node is who
// claims that, for the operator. Errors: ErrImplausible, ErrTooSoon, those of Log.
func (s *Sequencer) Ahead(ctx context.Context, node string, epoch uint64) error {
	if limit := time.Now().Add(maxAhead).UnixMicro(); epoch > uint64(limit) {
		return fmt.Errorf("%w: %d", ErrImplausible, epoch)
	}
	if err := s.claim(ctx, &s.mu.lastHeard, heardInterval, node, epoch); err != nil {
		return err
	}
	s.log.Error("a node is ahead of the control log, which was set back: it goes on above", "node", node, "epoch", epoch, "head", s.Applied())
	if err := s.deps.Log.Heard(ctx, epoch); err != nil {
		return s.unclaim(&s.mu.lastHeard, err)
	}
	s.rouse()
	return nil
}
