package runner

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// ErrPanic says that a part panicked; the stack is in the log, the panic's value in the error.
var ErrPanic = errors.New("panic")

// launch starts p in its own goroutine, with a context that only the group cancels.
func (g *group) launch(p Part) *running {
	ctx, cancel := context.WithCancel(g.base)
	r := &running{
		name:   p.Name,
		cancel: cancel,
		ready:  make(chan struct{}),
		done:   make(chan struct{}),
	}
	g.started = append(g.started, r)
	go g.run(ctx, p, r)
	return r
}

// run is the goroutine of one part. A failure is reported once: through failed when the part ended
// by itself, through err when it ended because it was told to.
func (g *group) run(ctx context.Context, p Part, r *running) {
	defer close(r.done)
	defer r.cancel()
	ready := sync.OnceFunc(func() { close(r.ready) })
	err := g.protect(ctx, p, ready)
	switch {
	case ctx.Err() != nil:
		r.err = stopError(p.Name, err)
	case err != nil:
		g.fail(fmt.Errorf("%s: %w", p.Name, err))
	default:
		ready()
	}
}

// protect turns a panic of p into an error, so that the other parts still drain.
func (g *group) protect(ctx context.Context, p Part, ready func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			g.log.Error("part panicked", "part", p.Name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", ErrPanic, v)
		}
	}()
	return p.Run(ctx, ready)
}

// fail reports the first failure; later ones are consequences and go to the log.
func (g *group) fail(err error) {
	select {
	case g.failed <- err:
	default:
		g.log.Error("another part failed", "error", err)
	}
}

// stopError leaves out the errors that only repeat that the part was told to stop.
func stopError(name string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("stop %s: %w", name, err)
}
