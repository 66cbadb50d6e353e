package simulation

import (
	"context"
	"errors"
	"time"

	"tiercache/shared/proxy"
)

// errGivenUp: the other side was given up.
var errGivenUp = errors.New("the node was given up")

// limit is how long somebody waits: until a context ends, until a moment, or until the other side is given up. A context
// for each would do the same, and be most of what a run costs.
type limit struct {
	ctx     context.Context
	by      time.Time       // zero: never
	givenUp <-chan struct{} // nil: never
}

// within is a limit that a time is added to.
func within(ctx context.Context, d time.Duration) *limit {
	return &limit{ctx: ctx, by: time.Now().Add(d)}
}

// briefly is what somebody sleeps through who is not waited for any more.
const briefly = 50 * time.Millisecond

// sleep returns after d, with an error when ctx ends first.
func sleep(ctx context.Context, d time.Duration) error { return (&limit{ctx: ctx}).sleep(d) }

// sleep returns after d, with an error when the limit is reached first.
func (l *limit) sleep(d time.Duration) error {
	if d <= briefly && (l.by.IsZero() || d < time.Until(l.by)) {
		time.Sleep(d)
		return l.reached()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	if !l.by.IsZero() && time.Until(l.by) <= d {
		timer.Reset(time.Until(l.by))
	}
	select {
	case <-timer.C:
	case <-l.ctx.Done():
	case <-l.givenUp:
	}
	return l.reached()
}

// reached is nil as long as there is time left. Errors: proxy.ErrTimeout, errGivenUp, ctx's.
func (l *limit) reached() error {
	switch {
	case l.ctx.Err() != nil:
		return context.Cause(l.ctx)
	case !l.by.IsZero() && !time.Now().Before(l.by):
		return proxy.ErrTimeout
	case l.givenUp == nil:
		return nil
	}
	select {
	case <-l.givenUp:
		return errGivenUp
	default:
		return nil
	}
}

// await waits until something has changed, or one of two processes has ended. Errors: those of reached.
func (l *limit) await(changed <-chan struct{}, from, to *endpoint) error {
	var late <-chan time.Time
	if !l.by.IsZero() {
		timer := time.NewTimer(time.Until(l.by))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-changed:
		return nil
	case <-from.gone:
		return nil
	case <-to.gone:
		return nil
	case <-late:
	case <-l.ctx.Done():
	case <-l.givenUp:
	}
	return l.reached()
}
