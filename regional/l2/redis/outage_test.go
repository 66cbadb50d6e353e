package redis_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/regional/l2"
	"tiercache/regional/l2/redis"
	"tiercache/shared/object"
	"tiercache/shared/testkit"
)

const (
	// recovery is the promise, available again within ten seconds of Redis' return, and as much for a busy machine.
	recovery = 2 * 10 * time.Second
	// bound is the default timeout and what a machine adds to it, unless it is busy at that very moment.
	bound = 250*time.Millisecond + 500*time.Millisecond
	// busyBound is bound with what a busy machine may add. Who waits for a connection of a hung Redis until
	// all before him have had their time waits for longer.
	busyBound = 4 * time.Second
)

// outage is a store behind a breaker, both with their default times.
type outage struct {
	*l2.Breaker
	downs, ups atomic.Int64
}

func newOutage(t *testing.T, addrs ...string) *outage {
	t.Helper()
	store := open(t, func(c *redis.Config) { c.Timeout, c.DialTimeout = 0, 0 }, addrs...)
	o := &outage{}
	o.Breaker = l2.NewBreaker(store, l2.BreakerConfig{OnChange: func(cause error) {
		if cause != nil {
			o.downs.Add(1)
			return
		}
		o.ups.Add(1)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	testkit.Eventually(t, patience, func() error { return o.Store(ctx, key, []byte("v"), 0) })
	return o
}

// untilOpen looks up until the breaker is open; lookups must fail in time.
func (o *outage) untilOpen(t *testing.T) {
	t.Helper()
	shortest, longest := time.Hour, time.Duration(0) // of those that Redis was asked
	testkit.Eventually(t, patience, func() error {
		start := time.Now()
		_, err := o.Lookup(ctx, key)
		if took := time.Since(start); !errors.Is(err, l2.ErrUnavailable) {
			shortest, longest = min(shortest, took), max(longest, took)
		}
		switch {
		case errors.Is(err, l2.ErrUnavailable):
			return nil
		case err == nil || errors.Is(err, object.ErrNotFound):
			t.Fatalf("a Redis that is gone answered: %v", err)
		}
		return err
	})
	if shortest > bound || longest > busyBound {
		t.Errorf("lookups took %v to %v, want %v, and %v where the machine is busy", shortest, longest, bound, busyBound)
	}
	t.Logf("lookups before the breaker opened: %v to %v", shortest, longest)
}

// untilBack waits for the breaker to close by itself, then for an answer.
func (o *outage) untilBack(t *testing.T) {
	t.Helper()
	start := time.Now()
	testkit.Eventually(t, recovery, func() error {
		if !o.Available() {
			return errors.New("breaker is still open")
		}
		return nil
	})
	t.Logf("available again after %v", time.Since(start))
	testkit.Eventually(t, recovery, func() error { return o.Store(ctx, key, []byte("again"), 0) })
	testkit.Eventually(t, recovery, func() error {
		value, err := o.Lookup(ctx, key)
		if err == nil && string(value) != "again" {
			t.Fatalf("found %q", value)
		}
		return err
	})
	if downs, ups := o.downs.Load(), o.ups.Load(); downs < 1 || downs != ups {
		t.Errorf("told %d times that Redis is gone and %d times that it is back", downs, ups)
	}
}

func TestOutage_Kill9(t *testing.T) {
	server := testkit.Redis(t)
	o := newOutage(t, server.Addr)
	server.Kill9()
	o.untilOpen(t)
	server.Restart()
	o.untilBack(t)
}

func TestOutage_Hung(t *testing.T) {
	server := testkit.Redis(t)
	o := newOutage(t, server.Addr)
	server.Pause()
	o.untilOpen(t)
	if s := o.Stats(); s.Timeouts == 0 {
		t.Errorf("no timeout is counted: %+v", s)
	}
	server.Resume()
	o.untilBack(t)
}

// TestOutage_HungUnderLoad has more callers than connections: each must have its
// answer in time, also those who wait for a connection.
func TestOutage_HungUnderLoad(t *testing.T) {
	server := testkit.Redis(t)
	store := open(t, func(c *redis.Config) { c.Timeout, c.DialTimeout, c.PoolSize = 0, 0, 4 }, server.Addr)
	testkit.Eventually(t, patience, func() error { return store.Store(ctx, key, []byte("v"), 0) })
	server.Pause()
	const callers = 100
	took := make(chan time.Duration, callers)
	for range callers {
		go func() {
			start := time.Now()
			if _, err := store.Lookup(ctx, key); err == nil {
				t.Error("a stopped Redis answered")
			}
			took <- time.Since(start)
		}()
	}
	var longest time.Duration
	for range callers {
		longest = max(longest, <-took)
	}
	server.Resume()
	t.Logf("longest of %d lookups over 4 connections: %v", callers, longest)
	if longest > busyBound {
		t.Errorf("a lookup took %v, want at most %v", longest, busyBound)
	}
}

// TestOutage_DownAtStart opens a store before its Redis is there.
func TestOutage_DownAtStart(t *testing.T) {
	server := testkit.Redis(t)
	server.Kill9()
	store := open(t, func(c *redis.Config) { c.Timeout, c.DialTimeout = 0, 0 }, server.Addr)
	if _, err := store.Check(ctx); err == nil {
		t.Error("Check of a Redis that is not there succeeded")
	}
	server.Restart()
	testkit.Eventually(t, recovery, func() error {
		_, err := store.Check(ctx)
		return err
	})
}

// TestOutage_ClusterNode kills one of three masters: keys of the others are found
// as before, keys of the dead one are errors in time.
func TestOutage_ClusterNode(t *testing.T) {
	addrs := startCluster(t)
	for _, addr := range addrs {
		mustCommand(t, addr, "config", "set", "cluster-require-full-coverage", "no")
	}
	store := open(t, func(c *redis.Config) { c.Timeout, c.DialTimeout = 0, 0 }, addrs...)
	for i := range 30 {
		testkit.Eventually(t, patience, func() error { return store.Store(ctx, fmt.Sprintf("%016d", i), []byte("v"), 0) })
	}
	_, _ = command(addrs[2], "shutdown", "nosave") // its connection is cut, which redis-cli reports
	var found, failed int
	var longest time.Duration
	for i := range 30 {
		start := time.Now()
		if _, err := store.Lookup(ctx, fmt.Sprintf("%016d", i)); err == nil {
			found++
		} else {
			failed++
		}
		longest = max(longest, time.Since(start))
	}
	t.Logf("%d found, %d failed, longest %v", found, failed, longest)
	if found < 10 || failed == 0 || longest > busyBound {
		t.Errorf("%d found, %d failed, longest %v", found, failed, longest)
	}
}
