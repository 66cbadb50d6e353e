package follower_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/follower"
)

func TestInstance_OfEachProcessAndInAllThatItSays(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	for range 2 {
		n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
		eventually(t, "renewed", func() bool { return n.Stats().RenewalsNATS.Load() > 1 })
		n.stop()
	}
	drawn := make(map[string]int)
	left := 0
	for _, r := range get(c, func(c *control) []controllog.Renew { return c.mu.renews }) {
		if len(r.Instance) != 32 {
			t.Errorf("%+v", r)
		}
		drawn[r.Instance]++
		if r.Leave {
			left++
		}
	}
	if len(drawn) != 2 || left != 2 {
		t.Errorf("two processes have drawn %v, and said %d times that they leave", drawn, left)
	}
}

// Another process has the node's name: it is not ready, with a state file or while it runs, holds no lease, and says
// why. It joins when the name is free.
func TestTaken_NotReadyUntilTheNameIsFree(t *testing.T) {
	t.Parallel()
	const why = "another process has the name"
	c := newControl(t).start()
	c.add(purgeOf("a"))
	cfg := c.withState()
	c.set(func(c *control) { c.mu.taken, c.mu.renews, c.mu.overHTTP = why, nil, 0 })
	n, begin := prepare(t, cfg, follower.Deps{Bus: c.connect("edge")})
	began := make(chan struct{})
	go func() { defer close(began); begin() }()
	said := func() bool {
		return !n.health.Ready() && strings.Contains(n.detail(), why) && n.health.Report().Components["in rotation"].Detail == why
	}
	eventually(t, "said", said)
	select {
	case <-began:
		t.Error("it has begun")
	case <-time.After(3*time.Second + controllog.RenewInterval): // longer than a node with a state file waits
	}
	// One that NATS brought too late is asked for over HTTP; if each were, the answer would be taken for none.
	if all, late := get(c, func(c *control) int { return len(c.mu.renews) }), get(c, func(c *control) int { return c.mu.overHTTP }); late*2 >= all {
		t.Errorf("%d of %d renewals came over HTTP", late, all)
	}
	c.set(func(c *control) { c.mu.taken = "" })
	select {
	case <-began:
	case <-time.After(deadline):
		t.Fatal("not ready")
	}
	eventually(t, "ready", n.health.Ready)
	if !n.Live(time.Now()) {
		t.Error("it holds no lease")
	}

	c.set(func(c *control) { c.mu.taken = why; delete(c.mu.members, "edge-1") })
	eventually(t, "refused", func() bool { return !n.health.Ready() })
	if n.Live(time.Now()) {
		t.Error("it holds a lease")
	}
	eventually(t, "said", said)
}

// A process that was killed is named by the next one, so that that one need not wait; one that was refused is not.
func TestReplaces_TheProcessBefore(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	cfg := c.edge()
	cfg.StateFile, cfg.Leave = filepath.Join(t.TempDir(), "control.state"), false
	said := func() (r controllog.Renew) {
		return get(c, func(c *control) controllog.Renew { return c.mu.renews[len(c.mu.renews)-1] })
	}
	n := start(t, cfg, follower.Deps{Bus: c.connect("edge")})
	eventually(t, "renewed", func() bool { return n.Stats().RenewalsNATS.Load() > 1 })
	first := said()
	n.stop()
	if first.Replaces != "" || n.Live(time.Now()) {
		t.Errorf("%+v, live %t after its end", first, n.Live(time.Now()))
	}
	for range 2 {
		c.set(func(c *control) { c.mu.taken, c.mu.renews = "another process", c.mu.renews[:0] })
		refused, _ := prepare(t, cfg, follower.Deps{Bus: c.connect("edge")})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = refused.Run(ctx, func() {}) }()
		eventually(t, "heard", func() bool { return get(c, func(c *control) int { return len(c.mu.renews) }) > 0 })
		if got := said(); !got.Join || got.Replaces != first.Instance || got.Instance == first.Instance {
			t.Errorf("%+v, the first was %s", got, first.Instance)
		}
		cancel()
		<-ended
	}
	c.set(func(c *control) { c.mu.taken = "" })
	next := start(t, cfg, follower.Deps{Bus: c.connect("edge")})
	eventually(t, "renewed", func() bool { return next.Stats().RenewalsNATS.Load() > 1 })
	second := said()
	next.stop()
	c.set(func(c *control) { c.mu.renews = c.mu.renews[:0] })
	start(t, cfg, follower.Deps{Bus: c.connect("edge")})
	if joined := get(c, func(c *control) controllog.Renew { return c.mu.renews[0] }); joined.Replaces != second.Instance {
		t.Errorf("%+v, the one before was %s", joined, second.Instance)
	}
}
