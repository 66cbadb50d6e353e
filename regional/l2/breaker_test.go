package l2_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tiercache/regional/l2"
	"tiercache/shared/object"
	"tiercache/shared/object/storetest"
)

// patient is a store that does what the test sets: how long each call takes and
// what it returns.
type patient struct {
	storetest.Memory
	calls   atomic.Int64
	latency atomic.Int64 // of each call; a call whose context ends returns earlier
	err     atomic.Pointer[error]
}

func (s *patient) failWith(err error) { s.err.Store(&err) }

func (s *patient) Lookup(ctx context.Context, key string) ([]byte, error) {
	if err := s.act(ctx); err != nil {
		return nil, err
	}
	return s.Memory.Lookup(ctx, key)
}

func (s *patient) Store(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := s.act(ctx); err != nil {
		return err
	}
	return s.Memory.Store(ctx, key, value, ttl)
}

func (s *patient) act(ctx context.Context) error {
	s.calls.Add(1)
	if d := time.Duration(s.latency.Load()); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}

// changes collects what OnChange is told.
type changes struct {
	mu struct {
		sync.Mutex
		causes []error
	}
}

func (c *changes) add(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.causes = append(c.mu.causes, cause)
}

func (c *changes) all() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]error(nil), c.mu.causes...)
}

const key = "0123456789abcdef"

var errDown = errors.New("connection refused")

func newBreaker() (*l2.Breaker, *patient, *changes) {
	store, seen := &patient{}, &changes{}
	return l2.NewBreaker(store, l2.BreakerConfig{OnChange: seen.add}), store, seen
}

func TestBreaker_Contract(t *testing.T) {
	storetest.Run(t, func(*testing.T) object.Store {
		return l2.NewBreaker(&storetest.Memory{}, l2.BreakerConfig{})
	}, storetest.Walks())
}

func TestBreaker_OpensAfterFailuresInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, store, seen := newBreaker()
		for range 3 { // four failures, then an answer: the count starts again
			store.failWith(errDown)
			for range 4 {
				wantLookup(t, b, errDown)
			}
			store.failWith(object.ErrNotFound)
			wantLookup(t, b, object.ErrNotFound)
		}
		if len(seen.all()) != 0 || !b.Available() {
			t.Fatal("it opened although the store answered in between")
		}
		store.failWith(errDown)
		for range 5 {
			wantLookup(t, b, errDown)
		}
		before := store.calls.Load()
		for range 100 {
			wantLookup(t, b, l2.ErrUnavailable)
		}
		if store.calls.Load() != before {
			t.Error("the store was asked while the breaker was open")
		}
		if got := seen.all(); len(got) != 1 || !errors.Is(got[0], errDown) {
			t.Errorf("changes %v, want one with its cause", got)
		}
		want := l2.Stats{Misses: 3, Errors: 17, Skipped: 100}
		if got := b.Stats(); got != want {
			t.Errorf("stats %+v, want %+v", got, want)
		}
	})
}

func TestBreaker_ProbesAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, store, seen := newBreaker()
		store.failWith(errDown)
		for range 5 {
			wantLookup(t, b, errDown)
		}
		for range 3 { // one call a second finds out that it is still down
			time.Sleep(time.Second)
			wantLookup(t, b, errDown)
			wantLookup(t, b, l2.ErrUnavailable)
		}
		store.failWith(nil)
		wantLookup(t, b, l2.ErrUnavailable)
		time.Sleep(time.Second)
		wantLookup(t, b, object.ErrNotFound)
		if !b.Available() {
			t.Error("still open after a probe that succeeded")
		}
		if got := seen.all(); len(got) != 2 || got[0] == nil || got[1] != nil {
			t.Errorf("changes %v, want one to open and one to closed", got)
		}
	})
}

// TestBreaker_OneProbeAtATime has many callers when the probe is due.
func TestBreaker_OneProbeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, store, _ := newBreaker()
		store.failWith(errDown)
		for range 5 {
			wantLookup(t, b, errDown)
		}
		time.Sleep(time.Second)
		store.latency.Store(int64(100 * time.Millisecond))
		before := store.calls.Load()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _, _ = b.Lookup(context.Background(), key) }) // most are refused
		}
		wg.Wait()
		if n := store.calls.Load() - before; n != 1 {
			t.Errorf("%d calls reached the store, want 1", n)
		}
	})
}

func TestBreaker_SlowAnswersCountAsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, store, seen := newBreaker()
		store.latency.Store(int64(200 * time.Millisecond))
		for range 5 {
			wantLookup(t, b, object.ErrNotFound)
		}
		wantLookup(t, b, l2.ErrUnavailable)
		if got := seen.all(); len(got) != 1 || got[0] == nil {
			t.Errorf("changes %v, want one with a cause", got)
		}
		if s := b.Stats(); s.Slow != 5 || s.Errors != 0 || s.Available {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestBreaker_TimeoutsAreCounted(t *testing.T) {
	b, store, _ := newBreaker()
	store.failWith(fmt.Errorf("redis: lookup: %w", context.DeadlineExceeded))
	wantLookup(t, b, context.DeadlineExceeded)
	if s := b.Stats(); s.Timeouts != 1 || s.Errors != 1 {
		t.Errorf("stats %+v", s)
	}
}

// TestBreaker_CallersWhoGiveUp: clients that leave at once say nothing about the
// store; clients that leave after they waited for long do.
func TestBreaker_CallersWhoGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, store, _ := newBreaker()
		store.latency.Store(int64(time.Hour))
		for range 50 {
			giveUpAfter(t, b, 10*time.Millisecond)
		}
		if s := b.Stats(); !s.Available || s.Errors != 0 {
			t.Fatalf("opened by callers who did not wait: %+v", s)
		}
		for range 5 {
			giveUpAfter(t, b, 300*time.Millisecond)
		}
		if b.Available() {
			t.Error("a store that never answers is available")
		}
	})
}

// TestBreaker_ProbeThatGivesUp: the call let through must not leave the breaker
// waiting for its result for ever.
func TestBreaker_ProbeThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, store, _ := newBreaker()
		store.failWith(errDown)
		for range 5 {
			wantLookup(t, b, errDown)
		}
		time.Sleep(time.Second)
		store.latency.Store(int64(time.Hour))
		giveUpAfter(t, b, time.Millisecond)
		store.latency.Store(0)
		store.failWith(nil)
		time.Sleep(time.Second)
		wantLookup(t, b, object.ErrNotFound)
		if !b.Available() {
			t.Error("still open")
		}
	})
}

func TestBreaker_FullStoreCanStillBeRead(t *testing.T) {
	b, store, _ := newBreaker()
	store.failWith(fmt.Errorf("redis: store: %w", l2.ErrFull))
	for range 20 {
		if err := b.Store(context.Background(), key, []byte("v"), 0); !errors.Is(err, l2.ErrFull) {
			t.Fatal(err)
		}
	}
	if s := b.Stats(); !s.Available || s.Errors != 20 || s.Stores != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestBreaker_RunRecoversWithoutRequests kills the store, makes no more requests,
// and expects the breaker to close by itself after it came back.
func TestBreaker_RunRecoversWithoutRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, store, seen := newBreaker()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		time.Sleep(10 * time.Second)
		if n := store.calls.Load(); n != 0 {
			t.Errorf("%d probes of a store that is available", n)
		}
		store.failWith(errDown)
		for range 5 {
			wantLookup(t, b, errDown)
		}
		before := store.calls.Load()
		time.Sleep(10 * time.Second)
		if n := store.calls.Load() - before; n < 7 || n > 10 {
			t.Errorf("%d probes in 10 s, want one a second", n)
		}
		store.failWith(nil)
		time.Sleep(1500 * time.Millisecond)
		if !b.Available() || len(seen.all()) != 2 {
			t.Errorf("available %v after 1.5 s, changes %v", b.Available(), seen.all())
		}
		if s := b.Stats(); s.Misses != 0 || s.Hits != 0 {
			t.Errorf("probes are counted as lookups: %+v", s)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestBreaker_Walk: a walk counts as no lookup, and is not begun while the store is not available.
func TestBreaker_Walk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, store, _ := newBreaker()
		if err := b.Store(t.Context(), key, []byte("v"), 0); err != nil {
			t.Fatal(err)
		}
		for item, err := range b.Walk(t.Context()) {
			if err != nil || item.Key != key {
				t.Fatalf("%q, %v", item.Key, err)
			}
		}
		if s := b.Stats(); s.Hits+s.Misses > 0 {
			t.Errorf("a walk counts as lookups: %+v", s)
		}
		store.failWith(errDown)
		for range 5 {
			wantLookup(t, b, errDown)
		}
		for _, err := range b.Walk(t.Context()) {
			if !errors.Is(err, l2.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		}
		if _, err := b.Values(t.Context()); !errors.Is(err, l2.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

// extending is a store with expiry, of which only that is asked.
type extending struct {
	storetest.Memory
	extended []time.Duration
}

func (s *extending) Extend(_ context.Context, _ string, ttl time.Duration) error {
	s.extended = append(s.extended, ttl)
	return object.ErrNotFound
}

func TestBreaker_ExtendsWhereTheStoreCan(t *testing.T) {
	store := &extending{}
	b := l2.NewBreaker(store, l2.BreakerConfig{})
	if err := b.Extend(t.Context(), key, time.Hour); !errors.Is(err, object.ErrNotFound) || len(store.extended) != 1 {
		t.Errorf("%v after %d calls", err, len(store.extended))
	}
	b = l2.NewBreaker(&storetest.Memory{}, l2.BreakerConfig{})
	if err := b.Extend(t.Context(), key, time.Hour); err != nil {
		t.Errorf("a store without expiry: %v", err)
	}
}

func wantLookup(t *testing.T, b *l2.Breaker, want error) {
	t.Helper()
	if _, err := b.Lookup(context.Background(), key); !errors.Is(err, want) {
		t.Fatalf("Lookup: %v, want %v", err, want)
	}
}

func giveUpAfter(t *testing.T, b *l2.Breaker, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	timer := time.AfterFunc(d, cancel)
	defer timer.Stop()
	if _, err := b.Lookup(ctx, key); !errors.Is(err, context.Canceled) {
		t.Fatalf("Lookup: %v, want canceled", err)
	}
}

func BenchmarkBreaker_Lookup(b *testing.B) {
	store := &storetest.Memory{}
	if err := store.Store(context.Background(), key, []byte("v"), 0); err != nil {
		b.Fatal(err)
	}
	for name, s := range map[string]object.Store{"without": store, "with": l2.NewBreaker(store, l2.BreakerConfig{})} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Lookup(context.Background(), key); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
