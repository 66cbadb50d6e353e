package members

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"tiercache/control/postgres"
)

const (
	// refreshInterval is how often what was reported is shared with other control nodes, and theirs read.
	refreshInterval = time.Second

	// warnAfter is how many refreshes fail before the log has a line of it: a start takes a moment.
	warnAfter = 3

	// dropInterval is how often members are dropped that were silent for dropAfter.
	dropInterval = time.Minute
	dropAfter    = 24 * time.Hour

	// rejoinAfter is how long a member may be silent and go on without joining again. It is far below
	// dropAfter, so that no control node takes one for a member that another has dropped.
	rejoinAfter = time.Hour
)

// Errors of a Tracker.
var (
	// ErrNotSeen: the log has no such epoch yet, as far as this node knows.
	ErrNotSeen = errors.New("the epoch is above the head of the control log")
	// ErrUnknown: there is no such member.
	ErrUnknown = errors.New("no such member")
	// ErrLive: the member may hold a lease.
	ErrLive = errors.New("the node is not fenced: stop it first, and it leaves by itself")
)

// Store keeps the members' rows.
type Store interface {
	Join(ctx context.Context, m postgres.Member) error
	Leave(ctx context.Context, node string) error
	Members(ctx context.Context) ([]postgres.Member, error)
	SetMemberState(ctx context.Context, node, state string) error
	SaveApplied(ctx context.Context, applied map[string]uint64) error
	DropMembers(ctx context.Context, olderThan time.Duration) (nodes []string, err error)
}

// Tracker knows the members and what each has applied. Its methods are safe for concurrent use.
type Tracker struct {
	store Store
	log   *slog.Logger
	now   func() time.Time

	mu struct {
		sync.Mutex
		loaded      bool // the rows have been read once
		members     map[string]*member
		seen        seen
		watches     []*Watch // that are not complete, by epoch
		subscribers map[int]func(Change)
		subscribed  int // numbers given out
		pending     []Change
	}
}

// New returns a tracker; Run makes it work.
func New(store Store, log *slog.Logger) *Tracker {
	t := &Tracker{store: store, log: log, now: time.Now}
	if log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.mu.members = make(map[string]*member)
	t.mu.subscribers = make(map[int]func(Change))
	return t
}

// Saw takes that this node has seen the log through epoch. Calls are in order; at is not before the newest
// of those entries was committed.
func (t *Tracker) Saw(epoch uint64, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.seen.note(epoch, at)
}

// Run shares with other control nodes through PostgreSQL until ctx ends. It is ready at once.
func (t *Tracker) Run(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(refreshInterval)
	defer tick.Stop()
	var dropped time.Time
	failures := 0
	for {
		err := t.refresh(ctx)
		if err == nil && t.now().Sub(dropped) >= dropInterval {
			dropped = t.now()
			_, err = t.store.DropMembers(ctx, dropAfter)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			failures++
		}
		if err != nil && failures == warnAfter || err == nil && failures >= warnAfter {
			t.logChange(err)
		}
		if err == nil {
			failures = 0
		}
		t.tell()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (t *Tracker) logChange(err error) {
	if err != nil {
		t.log.Warn("the members' rows cannot be read or written, trying on", "error", err)
		return
	}
	t.log.Info("the members' rows can be read and written again")
}

// refresh writes what was reported here, removes who has left, and reads all rows.
func (t *Tracker) refresh(ctx context.Context) error {
	applied, left := t.unsaved()
	if len(applied) > 0 {
		if err := t.store.SaveApplied(ctx, applied); err != nil {
			return err
		}
	}
	for _, node := range left {
		if err := t.remove(ctx, node); err != nil {
			return err
		}
	}
	began := t.now()
	rows, err := t.store.Members(ctx)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.merge(rows)
	t.forget(rows, began)
	return nil
}

// unsaved are the epochs of those that renewed since the last call, and who has left for a while.
func (t *Tracker) unsaved() (applied map[string]uint64, left []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	applied = make(map[string]uint64)
	for node, m := range t.mu.members {
		m.saved = m.fresh
		switch {
		case !m.left.IsZero() && t.now().Sub(m.left) >= refreshInterval:
			left = append(left, node)
		case m.fresh:
			applied[node] = m.applied
			m.fresh = false
		}
	}
	return applied, left
}

// remove ends the membership of one that has left, unless it came back meanwhile.
//
// INVARIANT: joining and removing one node exclude each other. The row of one that has just joined would
// be removed otherwise, and purges complete without it.
func (t *Tracker) remove(ctx context.Context, node string) error {
	t.mu.Lock()
	m := t.mu.members[node]
	t.mu.Unlock()
	if m == nil {
		return nil
	}
	m.joining.Lock()
	defer m.joining.Unlock()
	t.mu.Lock()
	back := m.left.IsZero()
	t.mu.Unlock()
	if back {
		return nil
	}
	if err := t.store.Leave(ctx, node); err != nil && !errors.Is(err, postgres.ErrNotFound) {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !m.left.IsZero() {
		delete(t.mu.members, node)
	}
	return nil
}
