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

	// confirmTime is how old the last note in a member's row may be when it is granted a lease. Refreshes keep it
	// younger; where they are late, the grant waits for one. The longer it is, the longer a process waits for the
	// name of one that has died.
	confirmTime = 1250 * time.Millisecond

	// warnAfter is how many refreshes fail before the log has a line of it: a start takes a moment.
	warnAfter = 3

	// dropInterval is how often members are dropped that were silent for dropAfter.
	dropInterval = time.Minute
	dropAfter    = 24 * time.Hour

	// departedAfter is how long it is known that a process has left: longer than a message can be under way. No more
	// than maxDeparted are.
	departedAfter = 10 * time.Minute
	maxDeparted   = 10_000
)

// Errors of a Tracker.
var (
	// ErrNotSeen: the log has no such epoch yet, as far as this node knows.
	ErrNotSeen = errors.New("the epoch is above the head of the control log")
	// ErrUnknown: there is no such member.
	ErrUnknown = errors.New("no such member")
	// ErrLive: the member may hold a lease.
	ErrLive = errors.New("the node may hold a lease: stop it, and it leaves by itself, or is forgotten a few seconds after it was heard last")
)

// Store keeps the members' rows.
type Store interface {
	Join(ctx context.Context, m postgres.Member, over *postgres.Member) (postgres.Member, error)
	Leave(ctx context.Context, node, instance string, registered time.Time) error
	Remove(ctx context.Context, m postgres.Member) error
	Members(ctx context.Context) ([]postgres.Member, error)
	SetMemberState(ctx context.Context, node, state string) error
	SaveRenewals(ctx context.Context, renewals []postgres.Renewal) (map[string]postgres.SavedRenewal, error)
	ForgetDeparted(ctx context.Context, olderThan time.Duration, keep int) error
	DropMembers(ctx context.Context, olderThan time.Duration, silent []postgres.Member) (nodes []string, err error)
}

// Tracker knows the members and what each has applied. Its methods are safe for concurrent use.
type Tracker struct {
	store  Store
	log    *slog.Logger
	now    func() time.Time
	saving chan struct{} // holds one while renewals are saved

	mu struct {
		sync.Mutex
		order       uint64 // see next
		loaded      uint64 // the order of the rows that were read last, as a whole; 0: they were not yet
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
	t := &Tracker{store: store, log: log, now: time.Now, saving: make(chan struct{}, 1)}
	if log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.mu.members = make(map[string]*member)
	t.mu.subscribers = make(map[int]func(Change))
	return t
}

// next orders what is read and written: what is numbered before a statement begins is older than what is
// numbered after another one has ended. The mutex is held.
func (t *Tracker) next() uint64 {
	t.mu.order++
	return t.mu.order
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
			err = t.tidy(ctx)
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

// tidy removes what nobody needs any more.
func (t *Tracker) tidy(ctx context.Context) error {
	_, err := t.store.DropMembers(ctx, dropAfter, t.silent())
	return errors.Join(err, t.store.ForgetDeparted(ctx, departedAfter, maxDeparted))
}

func (t *Tracker) logChange(err error) {
	if err != nil {
		t.log.Warn("the members' rows cannot be read or written, trying on", "error", err)
		return
	}
	t.log.Info("the members' rows can be read and written again")
}

// silent are the members that hold no lease and have not been heard of lately.
func (t *Tracker) silent() []postgres.Member {
	t.mu.Lock()
	defer t.mu.Unlock()
	var rows []postgres.Member
	for _, m := range t.mu.members {
		if row, free := t.free(m); free {
			rows = append(rows, row)
		}
	}
	return rows
}
