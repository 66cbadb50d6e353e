package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tiercache/shared/platform"
)

// crashPatience is how long a start waits for ports that the children of a killed predecessor still hold.
const crashPatience = 10 * time.Second

// shift is the offset that is advised: it keeps the ports of two platforms apart, of whatever size they are.
const shift = 2000

// Deps is what a Platform is given by the command.
type Deps struct {
	// Executable is the tiercache binary that nodes are started from.
	Executable string
	// Command is how a person at this terminal calls the binary: tiercache, bin/tiercache.
	Command string
	// Environ is passed on to nodes, except for what is up's own.
	Environ []string
	// Out is what people read.
	Out io.Writer
}

// Platform is the whole platform on this machine.
type Platform struct {
	cfg  Config
	deps Deps
	plan Plan
	out  *console

	around   surroundings
	postgres *platform.Postgres // nil: given
	redis    []*platform.Redis  // as plan.Redis

	// serving is set while all parts have been ready and the end has not begun: only then are warnings
	// of the parts worth a line. While they wait for each other, they all warn.
	serving atomic.Bool
}

// New takes a valid Config; it touches nothing.
func New(cfg Config, deps Deps) *Platform {
	return &Platform{cfg: cfg, deps: deps, plan: NewPlan(&cfg), out: &console{w: deps.Out}}
}

// Run starts everything, shows the table, and keeps it running until ctx ends; then it drains and stops
// everything and returns nil. It returns an error when something is in the way (a busy port, a data folder
// that is in use), cannot be started, or is not ready within a minute. No child is left when it returns.
func (p *Platform) Run(ctx context.Context) (err error) {
	if err := p.openDataDir(); err != nil {
		return err
	}
	lock, err := platform.LockDir(p.around.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	patience := time.Duration(0)
	if lock.Crashed {
		patience = crashPatience
	}
	if err := platform.CheckPorts(ctx, p.plan.Ports(), patience); err != nil {
		return fmt.Errorf("%w\nstop what holds it, or shift all ports with --port-offset %d", err, p.cfg.PortOffset+shift)
	}
	if err := p.prepare(); err != nil {
		return err
	}
	return p.supervise(ctx, p.services())
}

func (p *Platform) openDataDir() error {
	dir, err := filepath.Abs(p.cfg.DataDir)
	if err == nil {
		// Searchable: PostgreSQL, under an account of its own, passes through. Each file is private.
		err = os.MkdirAll(dir, 0o711)
	}
	if err != nil {
		return fmt.Errorf("make the data folder: %w: choose another with --data-dir", err)
	}
	p.around.dir = dir
	return nil
}

// supervise runs the services, and says when all of them are ready.
func (p *Platform) supervise(ctx context.Context, services []platform.Service) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	supervisor := platform.NewSupervisor(platform.SupervisorConfig{
		LogDir: filepath.Join(p.around.dir, "logs"), Say: p.say,
	}, services...)
	p.out.line("tiercache: starting in %s", p.around.dir)
	var g errgroup.Group
	g.Go(func() error {
		defer cancel()
		return supervisor.Run(ctx)
	})
	g.Go(func() error {
		if err := p.announce(ctx, supervisor); err != nil {
			cancel()
			return err
		}
		return nil
	})
	err := g.Wait()
	if err == nil {
		p.out.line("tiercache: all parts are stopped")
	}
	return err
}

// announce waits for all parts, shows the table, and says so when the end begins.
func (p *Platform) announce(ctx context.Context, supervisor *platform.Supervisor) error {
	began := time.Now()
	starting, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := p.awaitReady(starting, supervisor); err != nil {
		if !errors.Is(starting.Err(), context.DeadlineExceeded) {
			return nil // told to stop, or Run says what is wrong
		}
		return fmt.Errorf("not ready within %v:\n%w", readyTimeout, err)
	}
	p.out.table(&p.plan, &p.cfg, time.Since(began))
	p.out.hint(&p.plan, &p.cfg, p.deps.Command, p.around.dir)
	p.serving.Store(true)
	p.tellOverruled(ctx)
	<-ctx.Done()
	p.serving.Store(false)
	p.out.line("\ntiercache: stopping (edges first, PostgreSQL last; Ctrl-C again kills)")
	return nil
}

// awaitReady is the supervisor's, and says meanwhile what keeps it.
func (p *Platform) awaitReady(ctx context.Context, supervisor *platform.Supervisor) error {
	ctx, cancel := context.WithCancel(ctx)
	var reports sync.WaitGroup
	reports.Go(func() { reportLate(ctx, supervisor.Late, p.say) })
	err := supervisor.AwaitReady(ctx)
	cancel()
	reports.Wait()
	return err
}

func (p *Platform) say(service, line string) { p.out.line("%-12s %s", service, line) }
