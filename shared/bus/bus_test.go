package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/bus/natsd"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

const deadline = 15 * time.Second

// startServer runs a server until the returned function or the test's end stops it.
func startServer(t *testing.T, listen, dir string) (stop func()) {
	t.Helper()
	return startLogging(t, listen, dir, nil)
}

func startLogging(t *testing.T, listen, dir string, log *slog.Logger) (stop func()) {
	t.Helper()
	s, err := natsd.New(natsd.Config{Listen: listen, Credentials: dir, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return startPart(t, runner.Part{Name: "natsd", Run: s.Run})
}

func startPart(t *testing.T, p runner.Part) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- p.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("%s: %v", p.Name, err)
	case <-time.After(deadline):
		t.Fatalf("%s: not ready", p.Name)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

func connect(t *testing.T, url, dir, role string, health *runner.Health) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Config{
		URL: url, SeedFile: natsd.SeedFile(dir, role), Name: role + "-1", Role: role, Health: health,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func hello(tier, node string) bus.Hello {
	return bus.Hello{
		Node: node, Tier: tier, Region: "r1", Addr: "127.0.0.1:8080", Admin: "127.0.0.1:18080",
		Version: "v1", Started: time.Unix(1700000000, 0).UTC(), Ready: true,
	}
}

// await returns the first hello that satisfies ok.
func await(t *testing.T, heard <-chan bus.Hello, ok func(bus.Hello) bool) bus.Hello {
	t.Helper()
	timeout := time.After(deadline)
	for {
		select {
		case h := <-heard:
			if ok(h) {
				return h
			}
		case <-timeout:
			t.Fatal("not heard")
		}
	}
}

// eventually polls without a fixed wait.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(deadline)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("never " + what)
		}
	}
}

func listen(t *testing.T, b *bus.Bus) <-chan bus.Hello {
	t.Helper()
	heard := make(chan bus.Hello, 100)
	stop, err := b.SubscribeHello(func(h bus.Hello) { heard <- h })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return heard
}

func TestAnnounce_IsHeardFromBeforeTheServerIsThereAndAfterItCameBack(t *testing.T) {
	dir, addr := t.TempDir(), testkit.FreeAddr(t)
	if _, err := natsd.GenerateCredentials(dir); err != nil {
		t.Fatal(err)
	}
	url := "nats://" + addr
	health := runner.NewHealth()
	control := connect(t, url, dir, "control", health)
	heard := listen(t, control)
	want := hello("edge", "edge-1")
	startPart(t, bus.Announce(connect(t, url, dir, "edge", nil), func() bus.Hello { return want }))
	if nats := health.Report().Components["nats"]; nats.OK || nats.Required || !health.Ready() {
		t.Errorf("without a server: %+v", nats)
	}
	if err := control.PublishHello(hello("control", "control-1")); !errors.Is(err, bus.ErrDisconnected) {
		t.Errorf("publish without a server: %v", err)
	}

	stop := startServer(t, addr, dir)
	if got := await(t, heard, func(bus.Hello) bool { return true }); got != want {
		t.Errorf("got %+v", got)
	}
	eventually(t, "healthy", func() bool { return health.Report().Components["nats"].OK })

	stop()
	eventually(t, "unhealthy", func() bool { return !health.Report().Components["nats"].OK })
	for len(heard) > 0 {
		<-heard
	}
	startServer(t, addr, dir)
	await(t, heard, func(h bus.Hello) bool { return h == want })
}

func TestAnnounce_SaysGoodbyeWhenItStops(t *testing.T) {
	dir, addr := t.TempDir(), testkit.FreeAddr(t)
	startServer(t, addr, dir)
	heard := listen(t, connect(t, "nats://"+addr, dir, "control", nil))
	origin := connect(t, "nats://"+addr, dir, "origin", nil)
	stop := startPart(t, bus.Announce(origin, func() bus.Hello { return hello("origin", "origin-1") }))
	await(t, heard, func(h bus.Hello) bool { return h.Ready })
	stop()
	await(t, heard, func(h bus.Hello) bool { return !h.Ready && h.Node == "origin-1" })
}

func TestAnnounce_SaysAtOnceThatReadyChanged(t *testing.T) {
	dir, addr := t.TempDir(), testkit.FreeAddr(t)
	startServer(t, addr, dir)
	heard := listen(t, connect(t, "nats://"+addr, dir, "control", nil))
	var ready atomic.Bool
	edge := connect(t, "nats://"+addr, dir, "edge", nil)
	startPart(t, bus.Announce(edge, func() bus.Hello {
		h := hello("edge", "edge-1")
		h.Ready = ready.Load()
		return h
	}))
	testkit.InOneOf(t, 10, func() error { // a node that speaks once a second has a silence ahead of it each time
		await(t, heard, func(h bus.Hello) bool { return !h.Ready })
		changed := time.Now()
		ready.Store(true)
		await(t, heard, func(h bus.Hello) bool { return h.Ready })
		took := time.Since(changed)
		ready.Store(false)
		if took > bus.HelloInterval*3/4 {
			return fmt.Errorf("it took %v", took)
		}
		return nil
	})
}

func TestAnnounce_WithoutABusDoesNothing(t *testing.T) {
	startPart(t, bus.Announce(nil, func() bus.Hello { t.Error("asked"); return bus.Hello{} }))
}

func TestConnect_NamesAnUnreadableSeedFile(t *testing.T) {
	cfg := bus.Config{URL: "nats://127.0.0.1:1", Role: "edge", SeedFile: filepath.Join(t.TempDir(), "none.seed")}
	_, err := bus.Connect(t.Context(), cfg)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "nats_seed_file") {
		t.Errorf("got %v", err)
	}
}

func TestPublishHello_RefusesBadNames(t *testing.T) {
	dir, addr := t.TempDir(), testkit.FreeAddr(t)
	startServer(t, addr, dir)
	b := connect(t, "nats://"+addr, dir, "control", nil)
	for _, node := range []string{"", "a.b", "*", ">", "a b", strings.Repeat("a", 64)} {
		if err := b.PublishHello(hello("edge", node)); !errors.Is(err, bus.ErrName) {
			t.Errorf("%q: got %v", node, err)
		}
	}
	big := hello("edge", "edge-1")
	big.Version = strings.Repeat("v", 5000)
	if err := b.PublishHello(big); !errors.Is(err, bus.ErrHello) {
		t.Errorf("got %v", err)
	}
}

// counter counts the refusals in a server's log.
type counter struct{ atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.Add(int64(bytes.Count(p, []byte("authentication error"))))
	return len(p), nil
}

func TestConnect_WrongKeyKeepsTrying(t *testing.T) {
	dir, other, addr := t.TempDir(), t.TempDir(), testkit.FreeAddr(t)
	if _, err := natsd.GenerateCredentials(other); err != nil {
		t.Fatal(err)
	}
	var refusals counter
	stop := startLogging(t, addr, dir, slog.New(slog.NewTextHandler(&refusals, nil)))
	health := runner.NewHealth()
	connect(t, "nats://"+addr, other, "edge", health)
	eventually(t, "refused again and again", func() bool { return refusals.Load() >= 4 })
	if detail := health.Report().Components["nats"].Detail; !strings.Contains(detail, "uthorization") {
		t.Errorf("got %q", detail)
	}
	stop()
	startServer(t, addr, other) // now the key is right
	eventually(t, "connected", func() bool { return health.Report().Components["nats"].OK })
}
