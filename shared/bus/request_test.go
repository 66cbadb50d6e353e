package bus_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/testkit"
)

// pair is a control node and a node of a tier on one server.
func pair(t *testing.T, tier string) (control, node *bus.Bus, dial func(role string) *bus.Bus) {
	t.Helper()
	dir, addr := t.TempDir(), testkit.FreeAddr(t)
	startServer(t, addr, dir)
	dial = func(role string) *bus.Bus {
		b := connect(t, "nats://"+addr, dir, role, nil)
		eventually(t, "connected", b.Connected)
		return b
	}
	return dial("control"), dial(tier), dial
}

// settled waits until the server knows of what b has subscribed to.
func settled(t *testing.T, buses ...*bus.Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	for _, b := range buses {
		if err := b.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func anything([]byte) bool { return true }

func TestLog_ReachesEveryTierFromControlAndTheOrigin(t *testing.T) {
	control, edge, dial := pair(t, "edge")
	origin := dial("origin")
	heard := make(chan string, 10)
	for _, b := range []*bus.Bus{edge, origin, control} {
		stop, err := b.SubscribeLog(func(p []byte) { heard <- string(p) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
	}
	settled(t, edge, origin, control)
	for _, from := range []struct {
		b    *bus.Bus
		text string
	}{{control, "of control"}, {origin, "of origin"}} {
		if err := from.b.PublishLog([]byte(from.text)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			select {
			case got := <-heard:
				if got != from.text {
					t.Errorf("got %q", got)
				}
			case <-time.After(deadline):
				t.Fatal("not heard")
			}
		}
	}
}

func TestRenew_AsksAllAndTakesTheFirstGoodAnswer(t *testing.T) {
	control, edge, dial := pair(t, "edge")
	second := dial("control")
	var asked atomic.Int64
	bad := make(chan struct{}) // closed when the bad answer was sent
	serve := func(b *bus.Bus, answer string, before <-chan struct{}, after func()) {
		stop, err := b.ServeRenew(func(tier, node string, payload []byte, reply func([]byte)) {
			asked.Add(1)
			if tier != "edge" || node != "edge-1" || string(payload) != "renew" {
				t.Errorf("got %s %s %s", tier, node, payload)
			}
			go func() { // answers need not come from the handler
				if before != nil {
					<-before
				}
				reply([]byte(answer))
				after()
			}()
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
	}
	var once sync.Once
	serve(control, "bad", nil, func() { settled(t, control); once.Do(func() { close(bad) }) })
	serve(second, "good", bad, func() {})
	settled(t, control, second)
	good := func(answer []byte) bool { return string(answer) == "good" }
	got, err := edge.Renew(t.Context(), "edge", "edge-1", []byte("renew"), good)
	if err != nil || string(got) != "good" || asked.Load() != 2 {
		t.Errorf("got %s, %v, asked %d", got, err, asked.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	got, err = edge.Renew(ctx, "edge", "edge-1", []byte("renew"), func([]byte) bool { return false })
	if err != nil || len(got) == 0 {
		t.Errorf("without a good one: got %s, %v", got, err)
	}
}

func TestFetch_IsAnsweredByOneControlNode(t *testing.T) {
	control, regional, dial := pair(t, "regional")
	second := dial("control")
	var asked atomic.Int64
	large := bytes.Repeat([]byte("e"), 700<<10) // as large as a reply gets
	for _, b := range []*bus.Bus{control, second} {
		stop, err := b.ServeFetch(func(tier string, payload []byte, reply func([]byte)) {
			asked.Add(1)
			if tier != "regional" || string(payload) != "fetch" {
				t.Errorf("got %s %s", tier, payload)
			}
			reply(large)
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
	}
	settled(t, control, second)
	const requests = 10
	for range requests {
		got, err := regional.Fetch(t.Context(), "regional", []byte("fetch"))
		if err != nil || !bytes.Equal(got, large) {
			t.Fatalf("got %d bytes, %v", len(got), err)
		}
	}
	settled(t, control, second)
	if asked.Load() != requests {
		t.Errorf("asked %d", asked.Load())
	}
}

func TestRequest_SaysAtOnceThatNobodyAnswers(t *testing.T) {
	_, edge, _ := pair(t, "edge")
	if _, err := edge.Renew(t.Context(), "edge", "edge-1", nil, anything); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("got %v", err)
	}
	if _, err := edge.Fetch(t.Context(), "edge", nil); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"", "a.b", "*", ">"} {
		if _, err := edge.Renew(t.Context(), "edge", name, nil, anything); !errors.Is(err, bus.ErrName) {
			t.Errorf("%q: got %v", name, err)
		}
		if _, err := edge.Fetch(t.Context(), name, nil); !errors.Is(err, bus.ErrName) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestRequest_ForAnotherTierReachesNobody(t *testing.T) {
	control, edge, _ := pair(t, "edge")
	stop, err := control.ServeRenew(func(tier, node string, _ []byte, reply func([]byte)) {
		t.Errorf("asked by %s %s", tier, node)
		reply(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	settled(t, control)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := edge.Renew(ctx, "regional", "regional-1", nil, anything); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestRequest_WithoutAConnectionFailsAtOnce(t *testing.T) {
	dir, addr := t.TempDir(), testkit.FreeAddr(t)
	stop := startServer(t, addr, dir)
	b := connect(t, "nats://"+addr, dir, "edge", nil)
	eventually(t, "connected", b.Connected)
	stop()
	eventually(t, "disconnected", func() bool { return !b.Connected() })
	if _, err := b.Renew(t.Context(), "edge", "edge-1", nil, anything); !errors.Is(err, bus.ErrDisconnected) {
		t.Errorf("got %v", err)
	}
	if err := b.PublishLog(nil); !errors.Is(err, bus.ErrDisconnected) {
		t.Errorf("got %v", err)
	}
}

// TestAsk_IsAnsweredByTheNodeThatIsMeant: nodes may answer control, and only what it has asked.
func TestAsk_IsAnsweredByTheNodeThatIsMeant(t *testing.T) {
	for _, tier := range []string{"edge", "regional"} {
		control, one, dial := pair(t, tier)
		other := dial(tier)
		for node, b := range map[string]*bus.Bus{"one": one, "other": other} {
			stop, err := b.ServeAsk(tier, node, func(payload []byte, reply func([]byte)) {
				go reply([]byte(node + " " + string(payload)))
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(stop)
		}
		settled(t, one, other)
		for _, node := range []string{"one", "other", "one"} {
			got, err := control.Ask(t.Context(), tier, node, []byte("question"))
			if err != nil || string(got) != node+" question" {
				t.Errorf("%s %s: got %q, %v", tier, node, got, err)
			}
		}
		if _, err := control.Ask(t.Context(), tier, "nobody", nil); !errors.Is(err, bus.ErrNobody) {
			t.Errorf("got %v", err)
		}
		if _, err := control.Ask(t.Context(), tier, "*", nil); !errors.Is(err, bus.ErrName) {
			t.Errorf("got %v", err)
		}
	}
}
