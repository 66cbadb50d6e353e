package simulation

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// patience is how long anything may take before a test of a contract fails.
const patience = 20 * time.Second

// demand is a part of a contract: something that callers rely on, of the double as of the real thing. It is written
// once, over an F that either of them is.
type demand[F any] struct {
	name  string
	check func(t *testing.T, with F)
}

// onDouble makes the demands of a double, each in a bubble of virtual time.
func onDouble[F any](t *testing.T, contract []demand[F], build func(t *testing.T) F) {
	for _, d := range contract {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { d.check(t, build(t)) })
		})
	}
}

// onReal makes them of what ships.
func onReal[F any](t *testing.T, contract []demand[F], build func(t *testing.T) F) {
	for _, d := range contract {
		t.Run(d.name, func(t *testing.T) { d.check(t, build(t)) })
	}
}

// landed waits in a bubble until everything that is under way has arrived: no hop takes as long.
func landed() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

// next is what comes from a channel.
func next[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

// must is the value of a call that may not fail.
func must[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// list collects from many goroutines.
type list[T any] struct {
	mu    sync.Mutex
	items []T
}

func (l *list[T]) add(item T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, item)
}

func (l *list[T]) all() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]T(nil), l.items...)
}
