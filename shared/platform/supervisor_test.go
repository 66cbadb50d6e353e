package platform

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// running is a supervisor under test.
type running struct {
	*Supervisor
	t      *testing.T
	cancel context.CancelFunc
	result chan error

	mu   sync.Mutex
	said []string
}

func run(t *testing.T, stopTimeout time.Duration, services ...Service) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, cancel: cancel, result: make(chan error, 1)}
	r.Supervisor = NewSupervisor(SupervisorConfig{
		LogDir: filepath.Join(t.TempDir(), "logs"), StopTimeout: stopTimeout, Say: r.say,
	}, services...)
	go func() { r.result <- r.Run(ctx) }()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *running) say(service, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, service+": "+line)
}

func (r *running) heard(part string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.said, func(line string) bool { return strings.Contains(line, part) })
}

func (r *running) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said)
}

func (r *running) ready() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	if err := r.AwaitReady(ctx); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) stop() error {
	r.cancel()
	err := <-r.result
	r.result <- err
	return err
}

func TestSupervisor_RestartsWhatWasKilledAndSaysSo(t *testing.T) {
	defer goleak.VerifyNone(t)
	addr := loopback(port(t))
	r := run(t, 0, role("edge-1", 0, "listen", addr))
	r.ready()
	for range 2 {
		before := r.Pid("edge-1")
		kill(t, before)
		eventually(t, 30*time.Second, func() error {
			if now := r.Pid("edge-1"); now == before {
				return errors.New("not restarted")
			}
			return dial(addr)
		})
	}
	if !r.heard("edge-1: ended (signal: killed); starting again in 200ms") {
		t.Fatalf("said: %q", r.lines())
	}
	eventually(t, 30*time.Second, func() error {
		if !r.heard("edge-1: is ready again") {
			return fmt.Errorf("said: %q", r.lines())
		}
		return nil
	})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if err := dial(addr); err == nil {
		t.Fatal("a child is left")
	}
}

func TestSupervisor_StopsStageByStage(t *testing.T) {
	low, high := loopback(port(t)), loopback(port(t))
	r := run(t, 2*time.Second, role("origin", 1, "listen", low), role("edge", 2, "stubborn", high))
	r.ready()
	began := time.Now()
	r.cancel()
	// While the edge refuses to go, the origin must not have been asked.
	eventually(t, 30*time.Second, func() error {
		if up := dial(low) == nil; !up {
			if dial(high) == nil {
				t.Fatal("the lower stage ended before the higher one")
			}
			return nil
		}
		return errors.New("still stopping")
	})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Fatalf("a child that ignores SIGTERM was gone after %v: killed before its time", took)
	}
	if !r.heard("edge: edge did not stop in time and was killed") {
		t.Fatalf("said: %q", r.lines())
	}
}

func TestSupervisor_GivesUpWhatNeverWasReady(t *testing.T) {
	good := loopback(port(t))
	r := run(t, 0, role("good", 0, "listen", good), role("bad", 1, "fail", "config bad.yaml:3:1: unknown field"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := r.AwaitReady(ctx); err == nil || !strings.Contains(err.Error(), "bad is not ready: ended (exit status 3): config bad.yaml:3:1: unknown field") {
		t.Fatalf("AwaitReady: %v", err)
	}
	err := <-r.result
	r.result <- err
	if err == nil || !strings.Contains(err.Error(), "bad ended (exit status 3): config bad.yaml:3:1: unknown field, the same at each of 5 starts") {
		t.Fatalf("Run: %v, want the child's last words", err)
	}
	if dial(good) == nil {
		t.Fatal("the other child is left")
	}
}

func TestSupervisor_FinalStatusEndsItAtOnce(t *testing.T) {
	bad := role("bad", 1, "fail", "no such region")
	bad.Final = 3
	r := run(t, 0, role("good", 0, "listen", loopback(port(t))), bad)
	err := <-r.result
	r.result <- err
	if err == nil || !strings.Contains(err.Error(), "bad ended (exit status 3): no such region (log: ") || r.heard("starting again") {
		t.Fatalf("Run: %v; said: %q", err, r.lines())
	}
}

func TestSupervisor_NoProgramEndsItAtOnce(t *testing.T) {
	missing := role("redis", 0, "listen", loopback(port(t)))
	missing.Program = func(context.Context) (Program, error) {
		return Program{}, fmt.Errorf("redis-server is %w", ErrNotInstalled)
	}
	r := run(t, 0, missing)
	err := <-r.result
	r.result <- err
	if !errors.Is(err, ErrNotInstalled) {
		t.Fatalf("Run: %v", err)
	}
}

func TestSupervisor_AwaitReadySaysWhoIsLateAndWhy(t *testing.T) {
	late := role("edge-2", 0, "listen", loopback(port(t)))
	late.Ready = func(context.Context) error { return errors.New("waits for origin") }
	r := run(t, 0, role("edge-1", 0, "listen", loopback(port(t))), late)
	eventually(t, 30*time.Second, func() error {
		if got := r.Late(); !slices.Equal(got, []Late{{"edge-2", "waits for origin"}}) {
			return fmt.Errorf("late: %v", got)
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := r.AwaitReady(ctx)
	if err == nil || !strings.Contains(err.Error(), "edge-2 is not ready: waits for origin") || strings.Contains(err.Error(), "edge-1") {
		t.Fatalf("AwaitReady: %v", err)
	}
}

func TestSupervisor_OutputGoesToTheLog(t *testing.T) {
	service := role("edge-1", 0, "listen", loopback(port(t)))
	service.Loud = func(line string) bool { return line == "told to stop" }
	r := run(t, 0, service)
	r.ready()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(r.keepers[0].logPath)
	if err != nil || string(log) != "listening\ntold to stop\n" {
		t.Fatalf("log: %q, %v", log, err)
	}
	if !r.heard("edge-1: told to stop") || r.heard("listening") {
		t.Fatalf("said: %q", r.lines())
	}
}

func TestPauses_DoubleUpToALimitAndStartAnew(t *testing.T) {
	var p pauses
	var got []time.Duration
	for range 7 {
		got = append(got, p.after(time.Second))
	}
	got = append(got, p.after(settled))
	want := []time.Duration{200, 400, 800, 1600, 3200, 5000, 5000, 200}
	for i := range want {
		if got[i] != want[i]*time.Millisecond {
			t.Fatalf("pauses %v, want %v ms", got, want)
		}
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func dial(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

// The ports of these tests are below those that package testkit gives to others, and none is given twice: one
// that nobody listens on yet looks free.
const firstPort, lastPort = 8_500, 10_900

var nextPort = firstPort + rand.IntN(lastPort-firstPort)

// port is a free port. Package testkit, which has such things for others, is built on this package.
func port(t *testing.T) int {
	t.Helper()
	for range lastPort - firstPort {
		if nextPort++; nextPort >= lastPort {
			nextPort = firstPort
		}
		if listener, err := net.Listen("tcp", loopback(nextPort)); err == nil && listener.Close() == nil {
			return nextPort
		}
	}
	t.Fatal("no free port")
	return 0
}

func eventually(t *testing.T, timeout time.Duration, condition func() error) {
	t.Helper()
	deadline, ticker := time.After(timeout), time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("not within %v: %v", timeout, err)
		case <-ticker.C:
		}
	}
}
