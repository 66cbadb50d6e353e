package follower_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/follower"
	"tiercache/shared/invalidation"
	"tiercache/shared/policy"
)

func documentOf(name string, version int) controllog.Entry {
	e := serviceOf(name, version)
	e.Service.Document = &policy.Service{Name: name, Hosts: []string{name + ".test"}, Upstream: "http://127.0.0.1:1"}
	return e
}

// withState is a member with a state file that was current at the control's head.
func (c *control) withState() follower.Config {
	c.t.Helper()
	cfg := c.edge()
	cfg.StateFile = filepath.Join(c.t.TempDir(), "control.state")
	n := start(c.t, cfg, follower.Deps{Bus: c.connect("edge")})
	eventually(c.t, "caught up", func() bool { return n.Applied() == c.head() })
	n.stop()
	return cfg
}

func TestRestart_WithItsStateFileWhileEverythingIsDown(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	c.add(documentOf("shop", 3))
	c.add(purgeOf("a"))
	cfg := c.withState()
	c.stopNATS()
	c.stopHTTP()
	began := time.Now()
	n := start(t, cfg, follower.Deps{Bus: c.connectLater()})
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("ready after %v: control was not waited for", took)
	}
	if n.Applied() != c.head() || n.Live(time.Now()) {
		t.Errorf("applied %d, live %v", n.Applied(), n.Live(time.Now()))
	}
	select {
	case s := <-n.services:
		if len(s) != 1 || s[0].Version != 3 {
			t.Errorf("got %+v", s)
		}
	default:
		t.Error("services not told")
	}
	for stamp, want := range map[uint64]invalidation.Verdict{
		first - 1: invalidation.Dead, c.head(): invalidation.Live, c.head() + 1: invalidation.Dead,
	} {
		if got := n.Check(stamp, scopesOf("a")); got != want {
			t.Errorf("stamp %d is %v, want %v", stamp, got, want)
		}
	}
	missed := c.add(purgeOf("b"))
	c.startHTTP()
	eventually(t, "live", func() bool { return n.Live(time.Now()) && n.Applied() == missed.Epoch })
	if got := n.Check(missed.Epoch+1, scopesOf("a")); got != invalidation.Live {
		t.Errorf("got %v", got)
	}
}

func TestRestart_WithoutAStateFileWaitsForControl(t *testing.T) {
	t.Parallel()
	c := newControl(t)
	c.add(purgeOf("a"))
	n, begin := prepare(t, c.edge(), follower.Deps{})
	began := make(chan struct{})
	go func() { defer close(began); begin() }()
	select {
	case <-began:
		t.Error("ready")
	case <-time.After(3*time.Second + controllog.RenewInterval): // longer than a node with a state file waits
	}
	c.startHTTP()
	select {
	case <-began:
	case <-time.After(deadline):
		t.Fatal("not ready")
	}
	if n.Applied() != c.head() || !n.Live(time.Now()) {
		t.Errorf("applied %d, live %v", n.Applied(), n.Live(time.Now()))
	}
}

func TestRestart_StandAlone(t *testing.T) {
	t.Parallel()
	c := newControl(t)
	cfg := c.edge()
	cfg.StandAlone = true
	n := start(t, cfg, follower.Deps{})
	if n.Live(time.Now()) || n.Applied() != 0 {
		t.Errorf("applied %d, live %v", n.Applied(), n.Live(time.Now()))
	}
	if got := n.Check(first, scopesOf("a")); got != invalidation.Dead {
		t.Errorf("a stamp that it knows nothing of is %v", got)
	}
	if got := n.Check(0, scopesOf("a")); got != invalidation.Live {
		t.Errorf("its own fills are %v", got)
	}
}

func TestRestart_ADamagedStateFileIsSetAside(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	c.add(purgeOf("a"))
	cfg := c.withState()
	content, err := os.ReadFile(cfg.StateFile)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(cfg.StateFile, content, 0o600); err != nil {
		t.Fatal(err)
	}
	n := start(t, cfg, follower.Deps{Bus: c.connect("edge")})
	if n.Applied() != c.head() || n.Stats().StateErrors.Load() != 1 {
		t.Errorf("applied %d, %d errors", n.Applied(), n.Stats().StateErrors.Load())
	}
	if aside, err := os.ReadFile(cfg.StateFile + ".damaged"); err != nil || string(aside) != string(content) {
		t.Errorf("set aside: %v", err)
	}
	c.purge("b")
	eventually(t, "written anew", func() bool {
		info, err := os.Stat(cfg.StateFile)
		return err == nil && info.Mode().Perm() == 0o600
	})
}

func TestRestart_TheStateFileIsWrittenWhileTheNodeRuns(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	cfg := c.edge()
	cfg.StateFile = filepath.Join(t.TempDir(), "control.state")
	start(t, cfg, follower.Deps{Bus: c.connect("edge")})
	for range 2 {
		e := c.purge("a")
		eventually(t, "written", func() bool { return stateOf(cfg.StateFile) == e.Epoch })
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(cfg.StateFile), ".*"))
	if err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// stateOf is the epoch of a state file; 0 when there is none.
func stateOf(file string) uint64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	image, err := controllog.DecodeImage(b)
	if err != nil {
		return 0
	}
	return image.Applied()
}

func TestReset_WhatWasCompactedComesAsAnImage(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	c.add(purgeOf("a"))
	cfg := c.withState()
	for range 10 {
		c.add(purgeOf("b"))
	}
	c.set(func(c *control) { c.mu.compacted = c.headLocked() - 3 })
	n := start(t, cfg, follower.Deps{Bus: c.connect("edge")})
	if n.Applied() != c.head() || n.Stats().Resets.Load() != 1 || !n.Live(time.Now()) {
		t.Errorf("applied %d, %d resets, live %v", n.Applied(), n.Stats().Resets.Load(), n.Live(time.Now()))
	}
	for _, tag := range []string{"a", "b"} {
		if got := n.Check(first-1, scopesOf(tag)); got != invalidation.Dead {
			t.Errorf("%s: got %v", tag, got)
		}
	}
}

// The log was restored from a backup: what the node applied last is not in it.
func TestReset_FromALostBranch(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	kept := c.purge("a")
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	c.purge("lost")
	lost := c.purge("lost")
	eventually(t, "applied", func() bool { return n.Applied() == lost.Epoch })
	c.set(func(c *control) { c.mu.log = c.mu.log[:1] })
	term := c.add(controllog.Entry{
		Epoch: lost.Epoch + 1000, Kind: controllog.KindTerm, Term: &controllog.TermChange{Reason: "restored"},
	})
	if term.Prev != kept.Epoch {
		t.Fatalf("got %d", term.Prev)
	}
	c.stopHTTP() // no image yet
	c.publish(term)
	eventually(t, "disconnected", func() bool { return !n.Live(time.Now()) })
	c.startHTTP()
	eventually(t, "reset", func() bool { return n.Applied() == term.Epoch })
	if n.Stats().Resets.Load() == 0 {
		t.Error("not counted")
	}
	for stamp, want := range map[uint64]invalidation.Verdict{
		kept.Epoch: invalidation.Live, lost.Epoch: invalidation.Dead, term.Epoch: invalidation.Live,
	} {
		if got := n.Check(stamp, scopesOf("x")); got != want {
			t.Errorf("stamp %d is %v, want %v", stamp, got, want)
		}
	}
	eventually(t, "live", func() bool { return n.Live(time.Now()) })
}

// A state file of another log: its numbers are in no chain of this one.
func TestReset_FromAStateOfAnotherLog(t *testing.T) {
	t.Parallel()
	other := newControl(t).start()
	for range 5 {
		other.add(purgeOf("a"))
	}
	cfg := other.withState()
	c := newControl(t)
	c.add(purgeOf("b"))
	c.add(controllog.Entry{Epoch: first + 100, Kind: controllog.KindTerm, Term: &controllog.TermChange{Reason: "moved", Purge: "hard"}})
	c.start()
	cfg.ControlURL = "http://" + c.httpAddr
	n := start(t, cfg, follower.Deps{Bus: c.connect("edge")})
	if n.Applied() != c.head() || n.Stats().Resets.Load() != 1 {
		t.Errorf("applied %d of %d, %d resets", n.Applied(), c.head(), n.Stats().Resets.Load())
	}
	if got := n.Check(first+4, scopesOf("x")); got != invalidation.Dead {
		t.Errorf("got %v", got)
	}
}

// A node whose store does not outlive it has only what the next tier vouched for since it started.
func TestCheck_AStampAboveAppliedCountsWhereTheStoreIsNew(t *testing.T) {
	for durable, want := range map[bool]invalidation.Verdict{true: invalidation.Dead, false: invalidation.Live} {
		f, err := follower.New(follower.Config{Node: "edge-1", Tier: "edge", Member: true, Durable: durable}, follower.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Check(5, nil); got != want {
			t.Errorf("durable %t: %v, want %v", durable, got, want)
		}
	}
}
