package flight

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
)

// ErrAbandoned is what waiters get when a fill ended without publishing anything: it panicked or
// forgot to.
var ErrAbandoned = errors.New("fill ended without a result")

// Group holds the flights under way, one a key. The zero value is ready to use.
type Group[T any] struct {
	mu struct {
		sync.Mutex
		flights map[string]*Flight[T]
	}
}

// Flight is one fill under way.
//
// INVARIANT: a flight is detached only when what it yields can be found elsewhere, and before the end
// of its result is handed out. Were it detached earlier, a request that arrives in between would find
// neither the flight nor the stored response and start a second fill; were it detached later, a client
// that has seen the end could ask again and be given the old result.
type Flight[T any] struct {
	group *Group[T] // nil for a solo flight
	key   string

	notes     notes
	published chan struct{} // closed by Publish, or by Release when nothing was published
	publish   sync.Once
	value     T     // set before published is closed
	err       error // likewise
	void      atomic.Bool
}

// Join returns the flight of a key, and whether the caller leads it. The leader must see to it that
// Publish or Fail is called, then Release; everybody else calls Wait.
func (g *Group[T]) Join(key string) (f *Flight[T], lead bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.mu.flights[key]; f != nil {
		return f, false
	}
	f = &Flight[T]{group: g, key: key, published: make(chan struct{})}
	if g.mu.flights == nil {
		g.mu.flights = map[string]*Flight[T]{}
	}
	g.mu.flights[key] = f
	return f, true
}

// Len is the number of flights under way.
func (g *Group[T]) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.mu.flights)
}

// Publish hands the result to all waiters, present and future. Only the first call counts.
func (f *Flight[T]) Publish(value T) {
	f.publish.Do(func() {
		f.value = value
		close(f.published)
	})
}

// Fail publishes an error instead of a result.
func (f *Flight[T]) Fail(err error) {
	f.publish.Do(func() {
		f.err = err
		close(f.published)
	})
}

// Wait returns the result once it is published, or the context's cause.
func (f *Flight[T]) Wait(ctx context.Context) (T, error) {
	select {
	case <-f.published:
		return f.value, f.err
	default:
	}
	select {
	case <-f.published:
		return f.value, f.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// Detach ends the joining: who asks for the key from now on starts a new flight. Those that have joined
// still wait for the result.
func (f *Flight[T]) Detach() {
	if f.group == nil {
		return
	}
	f.group.mu.Lock()
	defer f.group.mu.Unlock()
	if f.group.mu.flights[f.key] == f {
		delete(f.group.mu.flights, f.key)
	}
}

// Void detaches all flights whose key begins with prefix and marks them: what they yield must not be found by
// anybody who asks from now on.
func (g *Group[T]) Void(prefix string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, f := range g.mu.flights {
		if strings.HasPrefix(key, prefix) {
			f.void.Store(true)
			delete(g.mu.flights, key)
		}
	}
}

// Voided reports whether the flight was voided. Who stores what it yields asks before and after: in between,
// what voids it may have removed what is stored.
func (f *Flight[T]) Voided() bool { return f.void.Load() }

// Release ends the flight. Waiters of one that never published get ErrAbandoned.
func (f *Flight[T]) Release() {
	f.Detach()
	f.Fail(ErrAbandoned)
}

// Solo returns a flight outside of any group: nobody can join it.
func Solo[T any]() *Flight[T] {
	return &Flight[T]{published: make(chan struct{})}
}
