package members

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/control/postgres"
	"tiercache/shared/controllog"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

const deadline = 20 * time.Second

// clock is set by the test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func openStore(t testing.TB) *postgres.Store {
	t.Helper()
	s, err := postgres.New(postgres.Config{URL: testkit.Postgres(t)}, slog.New(slog.DiscardHandler), runner.NewHealth().Component("postgres", true))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx, func() {}) }()
	t.Cleanup(func() { cancel(); <-done })
	testkit.Eventually(t, deadline, func() error { _, err := s.Members(t.Context()); return err })
	return s
}

// track returns a tracker that has read the rows, and its clock.
func track(t testing.TB, store Store) (*Tracker, *clock) {
	t.Helper()
	c := &clock{at: time.Now()}
	tr := New(store, nil)
	tr.now = c.now
	refresh(t, tr)
	return tr, c
}

func refresh(t testing.TB, tr *Tracker) {
	t.Helper()
	if err := tr.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// renewal is what the first process of a node says.
func renewal(node string, applied uint64) *controllog.Renew { return said(node, "first", applied) }

func said(node, instance string, applied uint64) *controllog.Renew {
	return &controllog.Renew{Node: node, Tier: "edge", Region: "r1", Addr: instance, Instance: instance, Applied: applied}
}

func join(t testing.TB, tr *Tracker, node string, applied uint64) {
	t.Helper()
	joinAs(t, tr, renewal(node, applied))
}

func joinAs(t testing.TB, tr *Tracker, r *controllog.Renew) {
	t.Helper()
	if err := tr.Join(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func grant(t testing.TB, tr *Tracker, r *controllog.Renew) Terms {
	t.Helper()
	terms, err := tr.Grant(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return terms
}

func watch(t testing.TB, tr *Tracker, epoch uint64) *Watch {
	t.Helper()
	w, err := tr.Watch(t.Context(), epoch, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// say writes receipts in short: "pending a:applied b:pending".
func say(r client.Receipts) string {
	s := r.State
	for _, n := range r.Nodes {
		s += " " + n.Node + ":" + n.State
	}
	return s
}

func expect(t testing.TB, w *Watch, want string) {
	t.Helper()
	if got := say(w.Receipts()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTracker_CompleteWhenAllHaveApplied(t *testing.T) {
	tr, c := track(t, openStore(t))
	join(t, tr, "a", 10)
	join(t, tr, "b", 10)
	tr.Saw(11, c.now())
	w := watch(t, tr, 11)
	expect(t, w, "pending a:pending b:pending")
	c.pass(7 * time.Millisecond)
	if got := tr.Report(renewal("a", 11)); got != Known {
		t.Fatalf("standing %v", got)
	}
	tr.Report(renewal("b", 10))
	expect(t, w, "pending a:applied b:pending")
	c.pass(4 * time.Millisecond)
	tr.Report(renewal("b", 11))
	tr.Report(renewal("b", 9)) // was overtaken
	expect(t, w, "complete a:applied b:applied")
	select {
	case <-w.done:
	default:
		t.Error("who waits is not told")
	}
	if r := w.Receipts(); r.Nodes[0].MS != 7 || r.Nodes[1].MS != 11 {
		t.Errorf("took %d and %d ms", r.Nodes[0].MS, r.Nodes[1].MS)
	}
	if len(tr.mu.watches) != 0 {
		t.Errorf("%d watches are left", len(tr.mu.watches))
	}
	c.pass(time.Second)
	if r := watch(t, tr, 11).Receipts(); say(r) != "complete a:applied b:applied" || r.Nodes[0].MS != 7 {
		t.Errorf("asked later: %+v", r)
	}
}

func TestTracker_FencedByTimeAlone(t *testing.T) {
	tr, c := track(t, openStore(t))
	join(t, tr, "a", 10)
	join(t, tr, "b", 10)
	c.pass(time.Hour / 2)
	tr.Saw(11, c.now())
	w := watch(t, tr, 11)
	c.pass(controllog.FenceTime - time.Millisecond)
	tr.Report(renewal("a", 10)) // alive, but it cannot catch up
	expect(t, w, "pending a:pending b:pending")
	c.pass(time.Millisecond)
	expect(t, w, "complete a:fenced b:fenced")
	expect(t, watch(t, tr, 11), "complete a:fenced b:fenced")
	tr.Report(renewal("a", 11))
	expect(t, watch(t, tr, 11), "complete a:applied b:fenced")
}

// TestTracker_RestartIsNotTooEarly: a control node that has just started knows neither what nodes have applied
// since the last save nor what leases they hold.
func TestTracker_RestartIsNotTooEarly(t *testing.T) {
	store := openStore(t)
	old, c := track(t, store)
	join(t, old, "a", 10)
	join(t, old, "b", 10)
	old.Saw(11, c.now())
	old.Report(renewal("a", 11))
	refresh(t, old)
	c.pass(time.Second)

	tr := New(store, nil)
	tr.now = c.now
	if got := tr.Report(renewal("a", 11)); got != Starting {
		t.Errorf("before the rows were read: %v", got)
	}
	if _, err := tr.Watch(t.Context(), 11, time.Time{}); !errors.Is(err, ErrNotSeen) {
		t.Errorf("before the log was read: %v", err)
	}
	tr.Saw(11, c.now())
	w := watch(t, tr, 11)
	expect(t, w, "pending a:applied b:pending")
	c.pass(controllog.FenceTime - time.Millisecond)
	expect(t, w, "pending a:applied b:pending")
	c.pass(time.Millisecond)
	expect(t, w, "complete a:applied b:fenced")
}

func TestTracker_Joiners(t *testing.T) {
	store := openStore(t)
	tr, c := track(t, store)
	tr.Saw(11, c.now())
	join(t, tr, "a", 11)
	before := watch(t, tr, 11)
	join(t, tr, "b", 3) // its head read covers 11: it applies that before it serves
	expect(t, before, "complete a:applied")

	tr.Saw(12, c.now())
	after := watch(t, tr, 12)
	expect(t, after, "pending a:pending b:pending")

	// A node that joined at another control node counts too.
	other, _ := track(t, store)
	join(t, other, "c", 11)
	expect(t, watch(t, tr, 12), "pending a:pending b:pending c:pending")
	if got := tr.Report(renewal("c", 12)); got != Known {
		t.Errorf("standing %v", got)
	}
}

func TestTracker_TheNextProcessHasAppliedWhatItSays(t *testing.T) {
	tr, c := track(t, openStore(t))
	tr.Saw(20, c.now())
	join(t, tr, "a", 10)
	tr.Report(renewal("a", 20))
	next := said("a", "second", 5)
	next.Replaces = "first"
	joinAs(t, tr, next)
	expect(t, watch(t, tr, 20), "pending a:pending")
}

func TestTracker_Leaving(t *testing.T) {
	store := openStore(t)
	tr, c := track(t, store)
	join(t, tr, "a", 10)
	join(t, tr, "b", 10)
	join(t, tr, "c", 10)
	tr.Saw(11, c.now())
	w := watch(t, tr, 11)
	tr.Leave(renewal("a", 10))
	tr.Leave(renewal("b", 10))
	tr.Report(renewal("c", 11))
	expect(t, w, "complete a:fenced b:fenced c:applied")
	expect(t, watch(t, tr, 11), "complete a:fenced b:fenced c:applied")
	joinAs(t, tr, said("b", "second", 11)) // it was only restarted
	refresh(t, tr)
	tr.Saw(12, c.now())
	expect(t, watch(t, tr, 12), "pending b:pending c:pending")
	if got := tr.Report(renewal("a", 12)); got != Unknown {
		t.Errorf("standing %v", got)
	}
	rows, err := store.Members(t.Context())
	if err != nil || len(rows) != 2 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestTracker_WhoMustJoin(t *testing.T) {
	tr, c := track(t, openStore(t))
	join(t, tr, "a", 10)
	for what, r := range map[string]*controllog.Renew{
		"a stranger": renewal("x", 10), "another tier": {Node: "a", Tier: "regional", Instance: "first"}, "another process": said("a", "second", 10),
	} {
		if got := tr.Report(r); got != Unknown {
			t.Errorf("%s: %v", what, got)
		}
		if _, err := tr.Grant(t.Context(), r); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s is granted a lease: %v", what, err)
		}
	}
	c.pass(dropAfter / 2)
	if got := tr.Report(renewal("a", 10)); got != Known {
		t.Errorf("after half a day: %v", got)
	}
}

func TestTracker_ControlNodesShareWhatWasApplied(t *testing.T) {
	store := openStore(t)
	one, c := track(t, store)
	two, c2 := track(t, store)
	join(t, one, "a", 10)
	refresh(t, two)
	one.Saw(11, c.now())
	two.Saw(11, c2.now())
	w := watch(t, two, 11)
	expect(t, w, "pending a:pending")
	one.Report(renewal("a", 11)) // over HTTP, at one of them
	refresh(t, one)
	refresh(t, two)
	expect(t, w, "complete a:applied")
}

func TestTracker_TellsWhatHappens(t *testing.T) {
	tr, c := track(t, openStore(t))
	var told []string
	stop := tr.Subscribe(func(c Change) { told = append(told, c.Kind+" "+c.Member.Node) })
	join(t, tr, "a", 10)
	tr.tell()
	c.pass(controllog.FenceTime + 1)
	tr.tell()
	tr.tell()
	tr.Report(renewal("a", 10))
	tr.tell() // heard, but without a lease
	grant(t, tr, renewal("a", 10))
	tr.tell()
	tr.Leave(renewal("a", 10))
	tr.tell()
	if got := fmt.Sprint(told); got != "[joined a fenced a back a left a]" {
		t.Error(got)
	}
	stop()
	join(t, tr, "b", 10)
	tr.tell()
	if len(told) != 4 {
		t.Error("told after stop")
	}
}

func TestTracker_States(t *testing.T) {
	tr, c := track(t, openStore(t))
	tr.Saw(10, c.now())
	join(t, tr, "a", 10)
	join(t, tr, "b", 10)
	c.pass(time.Second)
	tr.Saw(11, c.now())
	c.pass(time.Second)
	tr.Saw(13, c.now())
	c.pass(time.Second)
	tr.Report(renewal("a", 11))
	if states := tr.Members(); states[0].Lease != LeaseFenced {
		t.Errorf("a, which was heard but got no lease: %+v", states[0])
	}
	grant(t, tr, renewal("a", 11))
	states := tr.Members()
	if len(states) != 2 || states[0].Lag != time.Second || states[0].Lease != LeaseLive || states[0].Applied != 11 {
		t.Errorf("a: %+v", states)
	}
	if states[1].Lag != 2*time.Second || states[1].Lease != LeaseFenced {
		t.Errorf("b, which did not renew for three seconds: %+v", states[1])
	}
}

func TestWatch_WaitEndsAtTheFenceAndWithItsContext(t *testing.T) {
	tr := New(openStore(t), nil)
	refresh(t, tr)
	join(t, tr, "a", 10)
	tr.Saw(11, time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := watch(t, tr, 11)
	defer w.Stop()
	if got := say(w.Wait(ctx)); got != "pending a:pending" {
		t.Errorf("ended early: %s", got)
	}
	began := time.Now()
	got := say(w.Wait(t.Context()))
	if took := time.Since(began); got != "complete a:fenced" || took < controllog.LeaseTime || took > deadline {
		t.Errorf("%s after %v", got, took)
	}
}

// TestTracker_Concurrent has purges, reports and refreshes at once: each watch ends when, and not before, its last
// member has reported.
func TestTracker_Concurrent(t *testing.T) {
	const nodes, purges = 8, 200
	tr := New(openStore(t), nil)
	refresh(t, tr)
	for n := range nodes {
		join(t, tr, fmt.Sprintf("n%d", n), 0)
	}
	var group sync.WaitGroup
	published := make([]chan uint64, nodes)
	for n := range nodes {
		published[n] = make(chan uint64, purges)
		group.Go(func() {
			for epoch := range published[n] {
				tr.Report(renewal(fmt.Sprintf("n%d", n), epoch))
			}
		})
	}
	group.Go(func() {
		for range 20 {
			if err := tr.refresh(t.Context()); err != nil {
				t.Error(err)
			}
			tr.tell()
			tr.Members()
		}
	})
	var waiting sync.WaitGroup
	for epoch := uint64(1); epoch <= purges; epoch++ {
		tr.Saw(epoch, time.Now())
		w := watch(t, tr, epoch)
		for n := range nodes - 1 {
			published[n] <- epoch
		}
		if r := w.Receipts(); r.State != client.StatePending {
			t.Fatalf("%d is complete without n%d: %s", epoch, nodes-1, say(r))
		}
		published[nodes-1] <- epoch
		waiting.Go(func() {
			if r := w.Wait(t.Context()); r.State != client.StateComplete {
				t.Errorf("%d: %s", epoch, say(r))
			}
		})
	}
	waiting.Wait()
	for n := range nodes {
		close(published[n])
	}
	group.Wait()
	if len(tr.mu.watches) != 0 {
		t.Errorf("%d watches are left", len(tr.mu.watches))
	}
}
