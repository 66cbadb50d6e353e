package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// DefaultDrainTimeout is what Options.DrainTimeout means when it is zero.
const DefaultDrainTimeout = 10 * time.Second

// ErrDrainTimeout says that a part was still running when the drain timeout was over. Its goroutine
// is left behind: the caller is expected to end the process.
var ErrDrainTimeout = errors.New("drain timeout exceeded")

// Part is one piece of a process with a life of its own.
type Part struct {
	// Name identifies the part in logs and errors.
	Name string

	// Run does the part's work until ctx ends, then drains and returns nil or ctx's error. It calls
	// ready once the parts after it may start. An error, or a panic, stops the whole process. A
	// return of nil before ctx ended counts as ready and done: a step such as a migration.
	Run func(ctx context.Context, ready func()) error
}

// Options of Run. The zero value is usable.
type Options struct {
	// Log gets starts, stops and panics; nil discards them.
	Log *slog.Logger

	// DrainTimeout bounds the stop of all parts together; zero is DefaultDrainTimeout.
	DrainTimeout time.Duration

	// Health, when not nil, has a component "start" that names the part being started, and is set
	// to draining before the first part is told to stop.
	Health *Health
}

// Run starts the parts in order, each after the one before called ready, and waits. When ctx ends or
// a part fails it stops the parts that it started in reverse order: each one's context is cancelled
// and its return awaited before the next, all of it within o.DrainTimeout. When that is over, the
// rest is cancelled at once and ErrDrainTimeout is part of the error.
//
// It returns nil when ctx ended and every part stopped cleanly, else the cause and what went wrong
// while stopping, each with the part's name.
func Run(ctx context.Context, o Options, parts ...Part) error {
	g := newGroup(ctx, o)
	cause := g.start(ctx, parts)
	if cause == nil {
		cause = g.wait(ctx)
	}
	return errors.Join(cause, g.stop())
}

// group is the parts of one Run that have been started.
type group struct {
	base    context.Context // the caller's values without its cancellation, which would stop all at once
	log     *slog.Logger
	drain   time.Duration
	health  *Health
	started []*running
	failed  chan error // buffered for one; the first failure wins
}

// running is a started part.
type running struct {
	name   string
	cancel context.CancelFunc
	ready  chan struct{} // closed by the part's call of ready, or by its clean return
	done   chan struct{} // closed when the part has returned; err is set before
	err    error
}

func newGroup(ctx context.Context, o Options) *group {
	g := &group{
		base:   context.WithoutCancel(ctx),
		log:    o.Log,
		drain:  o.DrainTimeout,
		health: o.Health,
		failed: make(chan error, 1),
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.drain <= 0 {
		g.drain = DefaultDrainTimeout
	}
	if g.health == nil {
		g.health = NewHealth()
	}
	return g
}

// start launches the parts one by one; it returns early, without an error, when ctx ends.
func (g *group) start(ctx context.Context, parts []Part) error {
	starting := g.health.Component("start", true)
	for _, p := range parts {
		if ctx.Err() != nil {
			return nil
		}
		starting.Fail("starting " + p.Name)
		r := g.launch(p)
		select {
		case <-r.ready:
			g.log.Debug("part ready", "part", p.Name)
		case err := <-g.failed:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	starting.OK("every part has started")
	return nil
}

// wait blocks until ctx ends or a part fails.
func (g *group) wait(ctx context.Context) error {
	select {
	case err := <-g.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// stop cancels and awaits the started parts, last one first.
func (g *group) stop() error {
	g.health.Draining()
	deadline := time.NewTimer(g.drain)
	defer deadline.Stop()
	var errs []error
	for i := len(g.started) - 1; i >= 0; i-- {
		r := g.started[i]
		r.cancel()
		select {
		case <-r.done:
			g.log.Debug("part stopped", "part", r.name)
			errs = append(errs, r.err)
		case <-deadline.C:
			g.abandon(i)
			errs = append(errs, fmt.Errorf("%w: part %s still ran after %v", ErrDrainTimeout, r.name, g.drain))
			return errors.Join(errs...)
		}
	}
	return errors.Join(errs...)
}

// abandon cancels the parts up to index i without waiting for them.
func (g *group) abandon(i int) {
	for ; i >= 0; i-- {
		g.started[i].cancel()
	}
}
