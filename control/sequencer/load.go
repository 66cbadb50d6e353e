package sequencer

import (
	"context"
	"fmt"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
)

// load makes the replica anew from what PostgreSQL has: at the start, and when the old one has missed
// entries that are not kept any more or is on a branch that was lost. What is stamped below the oldest entry
// that is kept counts as purged.
func (s *Sequencer) load(ctx context.Context) error {
	var replica *controllog.Replica
	var loaded postgres.Loaded
	n := 0
	err := s.deps.Log.Load(ctx, func(l postgres.Loaded) error {
		loaded, n, replica = l, 0, controllog.NewReplica(s.cfg.Capacity)
		return replica.Restore(base(&l))
	}, func(row controllog.Row) error {
		n++
		_, err := replica.Apply(s.entry(&row))
		return err
	})
	if err != nil {
		return fmt.Errorf("load the control log: %w", err)
	}
	// The entries have been applied over the services and tokens of the head: each is in the state of its
	// last entry, which is that of the head.
	s.replica.Store(replica)
	s.versions = versions{}
	s.forgetImage()
	s.mu.Lock()
	s.mu.tail = tail{}
	s.mu.Unlock()
	s.saw(replica)
	s.heard.forget(replica.Applied())
	s.tellTokens(replica)
	s.log.Info("the control log is loaded", "head", loaded.Head, "entries", n)
	return nil
}

// base is the state below the oldest entry that is kept.
func base(l *postgres.Loaded) *controllog.Image {
	return &controllog.Image{
		Index:    &invalidation.Snapshot{Applied: l.Floor, Hard: l.Floor, Soft: l.Floor, Oldest: l.Floor},
		Services: l.Services,
		Tokens:   l.Tokens,
	}
}
