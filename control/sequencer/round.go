package sequencer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// versions are those of what the replica told last.
type versions struct {
	loaded bool
	tokens uint64
}

// round reads the log once, and again while it is behind, and returns the head that the first read found which left nothing
// in the outbox. What a batch brought is applied and published before the next one is asked for: a backlog delays those who
// wait for the head, and nobody else.
func (s *Sequencer) round(ctx context.Context) (uint64, error) {
	if s.replica.Load() == nil {
		if err := s.load(ctx); err != nil {
			return 0, err
		}
	}
	var head uint64
	for found := false; ; {
		poll, err := s.poll(ctx)
		if err != nil {
			return 0, err
		}
		if !found {
			head, found = poll.Head, !poll.More
		}
		if err := s.take(ctx, poll); err != nil {
			return 0, err
		}
		if found && s.replica.Load().Applied() >= head {
			return head, nil
		}
	}
}

// poll runs the sequencing statement. When the head is below what was applied here, PostgreSQL was set back:
// the number line then jumps above both, so that no number is used twice.
func (s *Sequencer) poll(ctx context.Context) (postgres.Poll, error) {
	applied, chain := s.replica.Load().At()
	poll, err := s.deps.Log.Poll(ctx, applied)
	switch {
	case err != nil:
		return poll, err
	case poll.Head == applied && differ(poll.Chain, chain):
		return s.rejoin(ctx, applied, chain)
	case poll.Head >= applied:
		return poll, nil
	}
	s.log.Error("PostgreSQL was set back: its control log ends before what was applied", "head", poll.Head, "applied", applied)
	if err := s.deps.Log.Heard(ctx, applied); err != nil {
		return poll, err
	}
	poll, err = s.deps.Log.Poll(ctx, applied)
	if err == nil && poll.Head < applied {
		err = fmt.Errorf("the control log ends at %d, before what was applied, %d", poll.Head, applied)
	}
	return poll, err
}

// take applies what a poll brought, publishes it and tells the subscribers.
func (s *Sequencer) take(ctx context.Context, poll postgres.Poll) error {
	if poll.Compacted {
		return s.load(ctx)
	}
	replica := s.replica.Load()
	if len(poll.Rows) == 0 {
		s.saw(replica)
		return nil
	}
	entries := make([]controllog.Entry, 0, len(poll.Rows))
	for i := range poll.Rows {
		entries = append(entries, s.entry(&poll.Rows[i]))
	}
	_, err := replica.Apply(entries...)
	switch {
	case errors.Is(err, controllog.ErrBranch):
		applied, chain := replica.At()
		_, err := s.rejoin(ctx, applied, chain)
		return err
	case errors.Is(err, controllog.ErrReset), errors.Is(err, controllog.ErrGap):
		s.stats.Resets.Add(1)
		s.log.Warn("what was applied is not on the log's chain: it is read anew", "error", err)
		if err := s.deps.Log.Lost(ctx, replica.Applied()); err != nil { // does nothing when nothing was
			return err
		}
		if err := s.load(ctx); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	s.keep(entries)
	s.saw(replica)
	s.publish(entries)
	s.heard.forget(replica.Applied())
	s.deps.Published(time.Since(entries[0].Time))
	s.tell(entries)
	return nil
}

// entry makes the entry of a row. One that cannot be read counts as controllog.Row.Entry says: every node
// makes the same of it.
func (s *Sequencer) entry(row *controllog.Row) controllog.Entry {
	e, err := row.Entry()
	if err != nil {
		s.stats.Malformed.Add(1)
		s.log.Error("an entry of the control log cannot be read; a purge then counts as one of everything", "id", row.ID, "error", err)
	}
	s.stats.Entries.Add(1)
	return e
}

// keep makes applied entries known to those who ask for old ones. Together with saw it comes before they are published:
// a node may say at once that it has applied them.
func (s *Sequencer) keep(entries []controllog.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.tail.add(entries)
}

// tell makes applied entries known to the subscribers.
func (s *Sequencer) tell(entries []controllog.Entry) {
	s.mu.Lock()
	handlers := make([]func([]controllog.Entry), 0, len(s.mu.subscribers))
	for _, handle := range s.mu.subscribers {
		handlers = append(handlers, handle)
	}
	s.mu.Unlock()
	s.tellTokens(s.replica.Load())
	for _, handle := range handlers {
		handle(entries)
	}
}

// saw makes the applied epoch known. The time is read after the entries came: they were committed before.
func (s *Sequencer) saw(replica *controllog.Replica) {
	applied := replica.Applied()
	// INVARIANT: who asks for receipts of an epoch that Applied covers must find it seen.
	s.deps.Saw(applied, time.Now())
	s.head.Store(applied)
}

// tellTokens hands the tokens on when they have changed.
func (s *Sequencer) tellTokens(replica *controllog.Replica) {
	now := versions{loaded: true, tokens: replica.TokensVersion()}
	if now == s.versions {
		return
	}
	s.versions = now
	s.mu.Lock()
	handle := s.mu.onTokens
	s.mu.Unlock()
	if handle != nil {
		handle(replica.Tokens())
	}
}
