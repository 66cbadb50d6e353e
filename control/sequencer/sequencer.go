package sequencer

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
	"tiercache/shared/runner"
)

const (
	// DefaultInterval is how often the log is polled when nobody asks.
	DefaultInterval = 5 * time.Millisecond

	// retryInterval is how long a failed poll is not repeated, however many ask.
	retryInterval = 100 * time.Millisecond

	// warnAfter is how long polls fail before the log has a line of it: a start takes a moment.
	warnAfter = time.Second
)

// Errors of a Sequencer, beside those of its Log.
var (
	// ErrStopped: the node is stopping.
	ErrStopped = errors.New("the sequencer has stopped")
	// ErrImplausible: no log of ours can have reached that epoch.
	ErrImplausible = errors.New("an epoch that the log cannot have reached")
	// ErrTooSoon: the number line has jumped a moment ago for another node's sake.
	ErrTooSoon = errors.New("the log jumped a moment ago")
	// ErrBranched: what a node has applied is another branch of the log.
	ErrBranched = errors.New("another branch of the control log")
	// ErrLost: what a node has applied is not in the log any more.
	ErrLost = errors.New("an epoch that the control log has lost")
)

// Log is the control log in PostgreSQL.
type Log interface {
	Poll(ctx context.Context, after uint64) (postgres.Poll, error)
	Load(ctx context.Context, begin func(postgres.Loaded) error, row func(controllog.Row) error) error
	Heard(ctx context.Context, epoch uint64) error
	HeardLately(ctx context.Context, within time.Duration) (int, error)
	Find(ctx context.Context, epoch uint64) (postgres.Found, error)
	Lost(ctx context.Context, epoch uint64) error
	Branched(ctx context.Context, epoch, chain uint64) error
}

// Bus carries entries to the nodes.
type Bus interface {
	PublishLog(payload []byte) error
	SubscribeLog(handle func(payload []byte)) (stop func(), err error)
}

// Config of a Sequencer. The zero value is usable.
type Config struct {
	Interval time.Duration // between polls; 0 is DefaultInterval
	Capacity int           // scopes in the index of images; 0 is that of a node
}

// Deps are what a Sequencer works with.
type Deps struct {
	Log Log
	Bus Bus // nil: nodes learn of entries when they renew
	// Saw is told, in order, how far this node has applied the log, and a time not before the newest of
	// those entries was committed. It must not block.
	Saw func(epoch uint64, at time.Time)
	// Branched is told when what this node had applied was another branch of the log, before it has seen anything of this
	// one: what nodes have said that they applied is worth nothing. nil: nobody. It must not block.
	Branched func()
	Polled   func(took time.Duration, err error) // for metrics; nil: nobody
	// Published is told how long after it got its epoch, by PostgreSQL's clock, the oldest entry was applied and handed to
	// the bus of those that came at once. For metrics; nil: nobody.
	Published func(lag time.Duration)
	Logger    *slog.Logger
	Health    *runner.Component
}

// Sequencer follows the control log. Its methods are safe for concurrent use.
type Sequencer struct {
	cfg  Config
	deps Deps
	log  *slog.Logger

	wake  chan struct{} // holds one; somebody waits for the next pass
	fetch chan struct{} // holds a token for each read of old entries in progress

	offers chan offer
	ended  chan struct{} // closed when Run has ended: nobody takes offers

	// replica is nil until the log is loaded. Only the goroutine of Run writes to it and replaces it.
	replica atomic.Pointer[controllog.Replica]

	// Of the goroutine of Run alone.
	versions versions
	failing  time.Time // the first poll of those that failed in a row; zero: the last one worked
	warned   bool      // of that

	mu struct {
		sync.Mutex
		next        *pass // the pass that begins next, nil when nobody waits for it
		stopped     bool
		subscribers map[int]func([]controllog.Entry)
		subscribed  int // numbers given out
		onTokens    func([]controllog.TokenChange)
		tail        tail
		lastHeard   time.Time // when a node that was ahead made the number line jump
		lastBranch  time.Time // when a node of another branch did
	}
	heard heard
	image image

	head     atomic.Uint64 // applied here
	polledAt atomic.Int64  // Unix ns of the last poll that worked
	stats    Stats
}

// New returns a sequencer; Run makes it work.
func New(cfg Config, deps Deps) *Sequencer {
	cfg.Interval = cmp.Or(cfg.Interval, DefaultInterval)
	s := &Sequencer{cfg: cfg, deps: deps, log: deps.Logger, wake: make(chan struct{}, 1), fetch: make(chan struct{}, maxFetches)}
	s.offers, s.ended = make(chan offer), make(chan struct{})
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.deps.Saw == nil {
		s.deps.Saw = func(uint64, time.Time) {}
	}
	if s.deps.Branched == nil {
		s.deps.Branched = func() {}
	}
	if s.deps.Published == nil {
		s.deps.Published = func(time.Duration) {}
	}
	if s.deps.Polled == nil {
		s.deps.Polled = func(time.Duration, error) {}
	}
	if s.deps.Health == nil {
		s.deps.Health = runner.NewHealth().Component("log", false)
	}
	s.mu.subscribers = make(map[int]func([]controllog.Entry))
	return s
}

// Subscribe calls handle with entries as this node applies them, in order and from one goroutine, until stop
// is called. handle must not block: everybody's log would wait. What was loaded at the start is not told.
func (s *Sequencer) Subscribe(handle func([]controllog.Entry)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.subscribed++
	id := s.mu.subscribed
	s.mu.subscribers[id] = handle
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.mu.subscribers, id)
	}
}

// OnTokens calls handle with all tokens of the log once it is loaded and whenever they change. It is to be
// called before Run; handle must not block.
func (s *Sequencer) OnTokens(handle func([]controllog.TokenChange)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.onTokens = handle
}

// Applied is the epoch through which this node has applied and published the log; 0 before it was loaded.
func (s *Sequencer) Applied() uint64 { return s.head.Load() }

// Services are the services that are active in what this node has applied; none before the log was loaded. The
// documents must not be written to.
func (s *Sequencer) Services() []controllog.ServiceChange {
	replica := s.replica.Load()
	if replica == nil {
		return nil
	}
	return replica.Services()
}

// Run follows the log until ctx ends. It is ready at once: while PostgreSQL is away, health says so.
func (s *Sequencer) Run(ctx context.Context, ready func()) error {
	defer s.stop()
	defer close(s.ended)
	if s.deps.Bus != nil {
		stop, err := s.deps.Bus.SubscribeLog(s.hear)
		if err != nil {
			return err
		}
		defer stop()
	}
	s.deps.Health.Fail("waiting for the log")
	ready()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-s.offers:
			s.accept(ctx, o)
			continue
		case <-timer.C:
		case <-s.wake:
		}
		pause := s.cfg.Interval
		if !s.pass(ctx) {
			pause = retryInterval
			if !sleep(ctx, pause) {
				return nil
			}
		}
		timer.Reset(pause)
	}
}

// sleep returns after d, false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
