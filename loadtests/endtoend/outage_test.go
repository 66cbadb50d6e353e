package endtoend

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"tiercache/shared/testkit"
)

const (
	// recovery is when all is well again by itself: within ten seconds, which is the promise, and as much again and
	// more where tests of other packages have the processor.
	recovery = 30 * time.Second
	// pausedFor is how long a part is stopped that is not killed.
	pausedFor = 5 * time.Second
)

// outage is a part that fails, and what misses may then be answered with. Hits must never notice.
type outage struct {
	part   string
	paused bool // stopped for a while instead of killed
	misses []string
}

// testOutages breaks one part after another under load. While Redis, NATS or control is away nothing fails
// at all. Without the regional node misses go to the origin, within a cap; without PostgreSQL there is
// nobody who has what is missing. What is in flight through a part that dies may be cut.
func testOutages(t *testing.T, u *up) {
	for path, content := range loadObjects() {
		u.put(t, "load.example.test"+path, content)
	}
	for _, o := range []outage{
		{part: "redis-server", misses: []string{"200"}},
		{part: "redis-server", paused: true, misses: []string{"200"}},
		{part: "regional-1", misses: []string{"200", "503", "cut"}},
		{part: "postgres", misses: []string{"200", "503", "504", "cut"}},
		{part: "nats", misses: []string{"200"}},
		{part: "control-1", misses: []string{"200"}},
		{part: "origin-1", misses: []string{"200", "503", "504", "cut"}},
	} {
		name := o.part
		if o.paused {
			name += " paused"
		}
		t.Run(name, func(t *testing.T) { o.run(t, u) })
	}
}

func (o outage) run(t *testing.T, u *up) {
	l := startLoad(t, u)
	awaitLoad(t, l, 50, 20)
	if before := l.reset(); len(before.wrong) > 0 || before.missed["200"] != before.misses {
		t.Fatalf("before the outage: %v\n%v", before, before.wrong)
	}
	defer func() {
		if t.Failed() {
			t.Logf("the last that the load saw: %v", l.reset())
		}
	}()
	began := o.begin(t, u, l)
	patiently(t, recovery, func() error { return o.over(t, u, began) })
	took := time.Since(began.at)
	if took > recovery {
		t.Errorf("well again after %v, want %v", took, recovery)
	}
	awaitLoad(t, l, 10, 5)
	during := l.reset()
	awaitLoad(t, l, 50, 20)
	l.stop()
	after := l.reset()
	t.Logf("well again after %v; %v", took.Round(10*time.Millisecond), during)
	o.judge(t, during)
	if len(after.wrong) > 0 || after.missed["200"] != after.misses {
		t.Errorf("after the recovery: %v\n%v", after, after.wrong)
	}
}

// beginning is when the time for the recovery began to run, and who failed.
type beginning struct {
	at  time.Time
	pid int
}

// begin kills the part, or stops it, waits for it to be noticed, and lets it go on.
func (o outage) begin(t *testing.T, u *up, l *load) beginning {
	t.Helper()
	pid, err := u.pid(t, o.part)
	if err != nil {
		t.Fatal(err)
	}
	if !o.paused {
		send(t, pid, syscall.SIGKILL)
		return beginning{at: time.Now(), pid: pid}
	}
	send(t, pid, syscall.SIGSTOP)
	defer send(t, pid, syscall.SIGCONT)
	goesOn := time.After(pausedFor)
	testkit.Eventually(t, recovery, func() error {
		if lacksNothing(u.url(regionalPort+adminDistance)) == nil {
			return errors.New("the regional node has not noticed yet")
		}
		return nil
	})
	l.awaitMore(t, 20, 10)
	<-goesOn
	return beginning{at: time.Now()}
}

// over is nil when the part is there again, a response that nobody has yet comes through all tiers into
// both stores, and all nodes lack nothing.
func (o outage) over(t *testing.T, u *up, began beginning) error {
	client := newClient()
	defer client.CloseIdleConnections()
	path := fmt.Sprintf("/load/1.bin?fresh=%d", time.Now().UnixNano())
	for edge, want := range []string{"regional-1; fwd=uri-miss; fwd-status=200", "regional-1; hit"} {
		got, err := request{url: u.edge(edge+1) + path, fields: []string{loadHost}}.send(client)
		if err != nil {
			return err
		}
		if got.status != 200 || !got.says(want) {
			return fmt.Errorf("edge %d: %d, %s", edge+1, got.status, got.cacheStatus())
		}
	}
	if err := u.wholly(t); err != nil {
		return err
	}
	pid, err := u.pid(t, o.part)
	if err == nil && pid == began.pid {
		err = errors.New("the part that was killed still runs")
	}
	return err
}

// patiently is testkit.Eventually, asking less often: what recovers needs the processor more.
func patiently(t *testing.T, within time.Duration, condition func() error) {
	t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(within); ; <-ticker.C {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", within, err)
		}
	}
}

// judge compares what the load saw with what is promised.
func (o outage) judge(t *testing.T, during tally) {
	t.Helper()
	for _, line := range during.wrong {
		t.Error(line)
	}
	for how, n := range during.missed {
		if !slices.Contains(o.misses, how) {
			t.Errorf("%d misses ended with %s, want only %v", n, how, o.misses)
		}
	}
	if during.slowest > slowestMiss {
		t.Errorf("a miss took %v, want at most %v", during.slowest, slowestMiss)
	}
}

// awaitLoad waits until the load has seen that many since the last reset.
func awaitLoad(t *testing.T, l *load, hits, misses int) {
	t.Helper()
	testkit.Eventually(t, readyTimeout, func() error {
		if h, m := l.seen(); h < hits || m < misses {
			return fmt.Errorf("%d hits and %d misses so far", h, m)
		}
		return nil
	})
}

// awaitMore waits for that many more.
func (l *load) awaitMore(t *testing.T, hits, misses int) {
	t.Helper()
	h, m := l.seen()
	awaitLoad(t, l, h+hits, m+misses)
}

func send(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatalf("%v to %d: %v", sig, pid, err)
	}
}
