package runner

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// journal notes events in order.
type journal struct {
	mu     sync.Mutex
	events []string
}

func (j *journal) add(event string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, event)
}

func (j *journal) list() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

// part is one that takes a second to get ready and a second to stop.
func (j *journal) part(name string) Part {
	return Part{Name: name, Run: func(ctx context.Context, ready func()) error {
		j.add("start " + name)
		time.Sleep(time.Second) // synctest's clock
		j.add("ready " + name)
		ready()
		<-ctx.Done()
		time.Sleep(time.Second)
		j.add("stop " + name)
		return ctx.Err()
	}}
}

var errBroken = errors.New("broken")

func TestRun_StartsInOrderAndStopsInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var j journal
		if err := Run(ctx, Options{}, j.part("a"), j.part("b"), j.part("c")); err != nil {
			t.Errorf("got %v", err)
		}
		want := []string{"start a", "ready a", "start b", "ready b", "start c", "ready c", "stop c", "stop b", "stop a"}
		if got := j.list(); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

func TestRun_FailureStopsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		failing := Part{Name: "b", Run: func(_ context.Context, ready func()) error {
			ready()
			time.Sleep(5 * time.Second)
			return errBroken
		}}
		err := Run(t.Context(), Options{}, j.part("a"), failing, j.part("c"))
		if !errors.Is(err, errBroken) || !strings.HasPrefix(err.Error(), "b: ") {
			t.Errorf("got %v", err)
		}
		if got := j.list(); !slices.Equal(got[4:], []string{"stop c", "stop a"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestRun_FailureBeforeReadyStartsNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		failing := Part{Name: "b", Run: func(context.Context, func()) error { return errBroken }}
		if err := Run(t.Context(), Options{}, j.part("a"), failing, j.part("c")); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
		if got := j.list(); !slices.Equal(got, []string{"start a", "ready a", "stop a"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestRun_EndWhileAPartStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		waiting := Part{Name: "postgres", Run: func(ctx context.Context, _ func()) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		var j journal
		if err := Run(ctx, Options{}, j.part("a"), waiting, j.part("c")); err != nil {
			t.Errorf("got %v", err)
		}
		if got := j.list(); !slices.Equal(got, []string{"start a", "ready a", "stop a"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestRun_ReturnOfNilIsAFinishedStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var j journal
		step := Part{Name: "migrate", Run: func(context.Context, func()) error { return nil }}
		if err := Run(ctx, Options{}, step, j.part("a")); err != nil {
			t.Errorf("got %v", err)
		}
		if got := j.list(); len(got) != 3 {
			t.Errorf("got %q", got)
		}
	})
}

func TestRun_ErrorsWhileStoppingAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		flush := Part{Name: "store", Run: func(ctx context.Context, ready func()) error {
			ready()
			<-ctx.Done()
			return errBroken
		}}
		err := Run(ctx, Options{}, flush)
		if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "stop store: ") {
			t.Errorf("got %v", err)
		}
	})
}

func TestRun_DrainTimeoutEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		release := make(chan struct{})
		hung := Part{Name: "hung", Run: func(ctx context.Context, ready func()) error {
			ready()
			<-release
			return nil
		}}
		var j journal
		start := time.Now()
		err := Run(ctx, Options{DrainTimeout: 4 * time.Second}, j.part("a"), hung, j.part("c"))
		if !errors.Is(err, ErrDrainTimeout) || !strings.Contains(err.Error(), "part hung") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 14*time.Second {
			t.Errorf("took %v", took)
		}
		close(release)
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := j.list(); !slices.Equal(got[4:], []string{"stop c", "stop a"}) {
			t.Errorf("parts below the hung one must still be told: %q", got)
		}
	})
}

func TestRun_PanicIsAnErrorWithTheStackInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var j journal
		bad := Part{Name: "bad", Run: func(context.Context, func()) error { panic("no such thing") }}
		err := Run(t.Context(), Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, j.part("a"), bad)
		if !errors.Is(err, ErrPanic) || !strings.Contains(err.Error(), "bad: panic: no such thing") {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(log.String(), "runner_test.go") {
			t.Errorf("no stack in %q", log.String())
		}
		if got := j.list(); !slices.Contains(got, "stop a") {
			t.Errorf("got %q", got)
		}
	})
}

func TestRun_HealthFollowsTheLifecycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		h := NewHealth()
		done := make(chan error, 1)
		var j journal
		go func() { done <- Run(ctx, Options{Health: h}, j.part("a"), j.part("b")) }()
		synctest.Wait()
		if got := h.Report(); got.Ready || !slices.Equal(got.WaitingFor, []string{"start: starting a"}) {
			t.Errorf("while starting: %+v", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := h.Report(); !got.Ready {
			t.Errorf("when started: %+v", got)
		}
		cancel()
		synctest.Wait()
		if got := h.Report(); got.Ready || !slices.Equal(got.WaitingFor, []string{"draining: the node is stopping"}) {
			t.Errorf("while stopping: %+v", got)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestRun_PartsSeeTheCallersValues(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	defer cancel()
	p := Part{Name: "p", Run: func(ctx context.Context, _ func()) error {
		if ctx.Value(key{}) != "value" {
			t.Error("value lost")
		}
		cancel()
		return nil
	}}
	if err := Run(ctx, Options{}, p); err != nil {
		t.Error(err)
	}
}
