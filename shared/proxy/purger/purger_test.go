package purger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/proxy"
	"tiercache/shared/proxy/purger"
)

// control notes what it is asked and when, and answers after a while.
type control struct {
	mu     sync.Mutex
	began  time.Time
	calls  []string
	takes  time.Duration
	answer error
}

func (c *control) send(_ context.Context, what *controllog.Invalidation) (uint64, error) {
	c.mu.Lock()
	if c.began.IsZero() {
		c.began = time.Now()
	}
	var names []string
	for _, u := range what.URLs {
		names = append(names, u.Host+u.Path+u.Query)
	}
	names = append(names, what.Groups...)
	slices.Sort(names)
	c.calls = append(c.calls, fmt.Sprintf("%v %s %s: %s", time.Since(c.began).Milliseconds(), what.Node, what.Service, strings.Join(names, " ")))
	epoch := uint64(len(c.calls))
	takes, err := c.takes, c.answer
	c.mu.Unlock()
	time.Sleep(takes)
	return epoch, err
}

func (c *control) expect(t *testing.T, calls ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.calls, calls) {
		t.Errorf("control was asked\n%q, want\n%q", c.calls, calls)
	}
}

func urls(paths ...string) (list []controllog.URL) {
	for _, p := range paths {
		list = append(list, controllog.URL{Host: "h", Path: p})
	}
	return list
}

// together calls Purge at the same moment for each path and returns the epochs, 0 for an error.
func together(p *purger.Purger, paths ...string) []uint64 {
	epochs := make([]uint64, len(paths))
	var group sync.WaitGroup
	for i, path := range paths {
		group.Go(func() { epochs[i], _ = p.Purge(context.Background(), "s", urls(path), nil) })
	}
	group.Wait()
	return epochs
}

func TestPurger_GathersWhatComesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &control{}
		p := purger.New("edge-1", c.send)
		began := time.Now()
		if got := together(p, "/a", "/b", "/a"); !slices.Equal(got, []uint64{1, 1, 1}) {
			t.Errorf("epochs %v", got)
		}
		if took := time.Since(began); took != 10*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if epoch, err := p.Purge(t.Context(), "other", nil, []string{"g"}); epoch != 2 || err != nil {
			t.Errorf("%d, %v", epoch, err)
		}
		c.expect(t, "0 edge-1 s: h/a h/b", "10 edge-1 other: g")
	})
}

// A request that is in flight may have been sequenced before the caller's own change.
func TestPurger_NobodyJoinsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &control{takes: 300 * time.Millisecond}
		p := purger.New("edge-1", c.send)
		var late uint64
		var group sync.WaitGroup
		group.Go(func() { together(p, "/a") })
		time.Sleep(20 * time.Millisecond)
		group.Go(func() { late = together(p, "/a")[0] })
		time.Sleep(100 * time.Millisecond)
		group.Go(func() { together(p, "/b") })
		group.Wait()
		if late != 2 {
			t.Errorf("epoch %d", late)
		}
		c.expect(t, "0 edge-1 s: h/a", "310 edge-1 s: h/a h/b") // one in flight
	})
}

func TestPurger_EntriesArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &control{}
		p := purger.New("edge-1", c.send)
		for range 3 {
			together(p, "/a")
		}
		c.expect(t, "0 edge-1 s: h/a", "100 edge-1 s: h/a", "200 edge-1 s: h/a")
	})
}

func TestPurger_WhoDoesNotWaitIsPurgedAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &control{takes: time.Second}
		p := purger.New("edge-1", c.send)
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := p.Purge(ctx, "s", urls("/a"), nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 250*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		p.Drain(100 * time.Millisecond)
		if took := time.Since(began); took != 350*time.Millisecond {
			t.Errorf("drained after %v", took)
		}
		p.Drain(time.Minute)
		if took := time.Since(began); took != 1010*time.Millisecond {
			t.Errorf("drained after %v", took)
		}
		c.expect(t, "0 edge-1 s: h/a")
	})
}

func TestPurger_ErrorsReachAllThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		p := purger.New("edge-1", (&control{answer: refused}).send)
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				if _, err := p.Purge(context.Background(), "s", urls("/a"), nil); !errors.Is(err, refused) {
					t.Error(err)
				}
			})
		}
		group.Wait()
	})
}

func TestPurger_LimitsWhatAServiceMayName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := purger.New("edge-1", (&control{}).send)
		var many []string
		for i := range 2000 {
			many = append(many, fmt.Sprint("/", i))
		}
		refused := func(epochs []uint64) (n int) {
			for _, e := range epochs {
				if e == 0 {
					n++
				}
			}
			return n
		}
		if n := refused(together(p, many...)); n != 1000 {
			t.Errorf("%d of 2000 were refused", n)
		}
		if _, err := p.Purge(t.Context(), "s", urls("/x", "/y"), []string{"g"}); !errors.Is(err, proxy.ErrPurgeLimit) {
			t.Errorf("beyond the limit: %v", err)
		}
		if epoch, err := p.Purge(t.Context(), "other", urls("/x"), nil); epoch == 0 || err != nil {
			t.Errorf("another service: %v", err)
		}
		time.Sleep(time.Second)
		if n := refused(together(p, many[:200]...)); n > 100 || n < 98 {
			t.Errorf("%d of 200 were refused a second later", n)
		}
		time.Sleep(time.Hour)
		long := strings.Repeat("x", 8<<10)
		for i := range many {
			many[i] += long
		}
		if n := refused(together(p, many[:100]...)); n != 69 {
			t.Errorf("%d of 100 long ones were refused", n)
		}
	})
}
