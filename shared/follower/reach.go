package follower

import (
	"context"
	"fmt"

	"tiercache/shared/controllog"
)

// waiter is a call of Reach.
type waiter struct {
	min uint64
	// since is the first renewal that began after the call: only its answer, or a later one's, can say
	// that there is no such epoch. Set by the loop.
	since uint64
	done  chan error      // holds one; the loop sends once
	gone  <-chan struct{} // closed when the caller does not wait any more
}

// Reach returns nil once the node has applied min. Above applied it costs one renewal, which all calls share
// that came before it began. Errors: controllog.ErrAboveHead when the log has no such epoch,
// controllog.ErrBehind when ctx ends first.
func (f *Follower) Reach(ctx context.Context, min uint64) error {
	if min <= f.Applied() {
		return nil
	}
	w := &waiter{min: min, done: make(chan error, 1), gone: ctx.Done()}
	select {
	case f.waiting <- w:
	case <-ctx.Done():
		return behind(ctx)
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return behind(ctx)
	}
}

func behind(ctx context.Context) error {
	return fmt.Errorf("%w: %w", controllog.ErrBehind, context.Cause(ctx))
}

// wait takes a new waiter.
func (l *loop) wait(w *waiter) {
	w.since = l.seq + 1
	l.waiters = append(l.waiters, w)
	if !l.f.cfg.Member {
		l.missing(false) // its polls say where the head is
	}
}

// asked reports whether somebody waits to hear whether there is such an epoch.
func (l *loop) asked() bool {
	for _, w := range l.waiters {
		if w.since > l.confirmed {
			return true
		}
	}
	return false
}

// release lets those go on whose epoch was applied, those whose epoch does not exist, and forgets who has left.
func (l *loop) release(applied uint64) {
	kept := l.waiters[:0]
	for _, w := range l.waiters {
		switch {
		case w.min <= applied:
			w.done <- nil
		case w.since <= l.confirmed && w.min > l.head:
			w.done <- fmt.Errorf("%w: %d, head is %d", controllog.ErrAboveHead, w.min, l.head)
		case isClosed(w.gone):
		default:
			kept = append(kept, w)
		}
	}
	clear(l.waiters[len(kept):])
	l.waiters = kept
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
