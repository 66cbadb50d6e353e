package sequencer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tiercache/control/postgres"
)

// differ reports whether two hashes of the log through one epoch are known and are not the same.
func differ(a, b uint64) bool { return a != 0 && b != 0 && a != b }

// rejoin replaces a replica that is another branch of the log: PostgreSQL is not the one it was, and goes on with the same
// numbers. It begins a term, so that every node learns of it, those that come later too, and all stamps from before are
// dead. It returns what the log has then.
//
// INVARIANT: what members have applied of the other branch is forgotten before anything of this one is seen, or a
// purge of this one could have a receipt from a node that applied a namesake.
func (s *Sequencer) rejoin(ctx context.Context, applied, chain uint64) (postgres.Poll, error) {
	s.deps.Branched()
	if err := s.deps.Log.Branched(ctx, applied, chain); err != nil {
		return postgres.Poll{}, err
	}
	s.log.Error("the control log has branched: PostgreSQL has other entries under the same numbers; all that is stored counts as purged", "applied", applied)
	s.stats.Resets.Add(1)
	s.stats.Branches.Add(1)
	if err := s.load(ctx); err != nil {
		return postgres.Poll{}, err
	}
	return s.deps.Log.Poll(ctx, s.Applied())
}

// Shares reports whether a node that has applied the log through epoch, with that hash, has the same entries as this one,
// as far as is known without asking PostgreSQL. It is not known of old entries, and of those that this node has yet to
// read. A node that says no hash is believed.
func (s *Sequencer) Shares(epoch, chain uint64) (same, known bool) {
	if chain == 0 || epoch == 0 {
		return true, true
	}
	s.mu.Lock()
	own, known := s.mu.tail.chainAt(epoch)
	s.mu.Unlock()
	if replica := s.replica.Load(); !known && replica != nil {
		var applied uint64
		applied, own = replica.At()
		known = applied == epoch
	}
	return known && !differ(own, chain), known
}

// Confirm is nil for what the log has, or has removed, with PostgreSQL's word where it is not known. Errors: ErrBranched,
// ErrLost, those of Log.
func (s *Sequencer) Confirm(ctx context.Context, epoch, chain uint64) error {
	same, known := s.Shares(epoch, chain)
	switch {
	case known && same:
		return nil
	case known:
		return ErrBranched
	}
	found, err := s.deps.Log.Find(ctx, epoch)
	switch {
	case err != nil:
		return err
	case differ(found.Chain, chain):
		return ErrBranched
	case found.Lost:
		return ErrLost
	}
	return nil
}

// Lost is to be called when a node says that it has applied an epoch and the log went on without it, or Confirm says so:
// PostgreSQL was set back by somebody who left no trace of it, and goes on above the node. What the lost entries purged is not
// known, so everything is purged softly, unless it was since. It is the node's own word, so it is believed as rarely as in
// Ahead. Errors: ErrTooSoon, those of Log.
func (s *Sequencer) Lost(ctx context.Context, node string, epoch uint64) error {
	if found, err := s.deps.Log.Find(ctx, epoch); err != nil || !found.Lost {
		return err
	}
	if err := s.claim(ctx, &s.mu.lastHeard, heardInterval, node, epoch); err != nil {
		return err
	}
	s.log.Error("a node has applied what the control log has lost: everything is purged softly", "node", node, "epoch", epoch)
	if err := s.deps.Log.Lost(ctx, epoch); err != nil {
		return s.unclaim(&s.mu.lastHeard, err)
	}
	s.rouse()
	return nil
}

// Branched is to be called when Confirm says ErrBranched of a node: it comes from another branch of the log, and so may be what is
// stored where it has been. A term begins that makes all of that dead, unless one has since. It is the node's own
// word, so it is believed as rarely as in Ahead. Errors: ErrTooSoon, those of Log.
func (s *Sequencer) Branched(ctx context.Context, node string, epoch, chain uint64) error {
	if err := s.claim(ctx, &s.mu.lastBranch, branchInterval, node, epoch); err != nil {
		return err
	}
	s.log.Error("a node comes from another branch of the control log; all that was stored before counts as purged, unless it did already", "node", node, "epoch", epoch)
	if err := s.deps.Log.Branched(ctx, epoch, chain); err != nil {
		return s.unclaim(&s.mu.lastBranch, err)
	}
	s.rouse()
	return nil
}

// claim takes that a node says something of the log by which everything is to be purged, if that was not said too often.
// last is when it was said last, guarded by the mutex. Errors: ErrTooSoon, those of Log.
func (s *Sequencer) claim(ctx context.Context, last *time.Time, interval time.Duration, node string, epoch uint64) error {
	s.mu.Lock()
	soon := time.Since(*last) < interval
	if !soon {
		*last = time.Now()
	}
	s.mu.Unlock()
	if soon {
		return ErrTooSoon
	}
	switch n, err := s.deps.Log.HeardLately(ctx, heardWindow); {
	case err != nil:
		return s.unclaim(last, err)
	case n >= maxClaims:
		s.log.Warn("a node is ahead of the control log, or on another branch, but that was said too often: it is not believed", "node", node, "epoch", epoch)
		return fmt.Errorf("%w: %d times within %v", ErrTooSoon, n, heardWindow)
	}
	return nil
}

// unclaim makes a claim that PostgreSQL did not hear of count as not made: it may be made again at once. It returns err.
func (s *Sequencer) unclaim(last *time.Time, err error) error {
	if errors.Is(err, postgres.ErrUnavailable) {
		s.mu.Lock()
		defer s.mu.Unlock()
		*last = time.Time{}
	}
	return err
}
