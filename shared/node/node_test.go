package node_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/bus/natsd"
	"tiercache/shared/node"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

const deadline = 15 * time.Second

// newNode is an edge node that listens nowhere yet.
func newNode(t *testing.T, change func(*node.Config)) *node.Node {
	t.Helper()
	cfg := node.DefaultConfig("edge-1", testkit.FreeAddr(t))
	cfg.LogLevel = "error"
	change(&cfg)
	n, err := node.New(t.Context(), "edge", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return n
}

func TestFollower_WithoutControlThereIsNone(t *testing.T) {
	n := newNode(t, func(*node.Config) {})
	f, part, err := n.Follower(node.Follow{Member: true})
	if f != nil || err != nil {
		t.Fatalf("got %v, %v", f, err)
	}
	if b, err := n.Bus(); b != nil || err != nil {
		t.Errorf("got %v, %v", b, err)
	}
	testkit.Start(t, part.Run)
}

func TestFollower_NamesTheSettingThatCanNotWork(t *testing.T) {
	for setting, change := range map[string]func(*node.Config){
		"tier_token_file": func(c *node.Config) { c.ControlURL = "http://127.0.0.1:7070" },
		"control_url":     func(c *node.Config) { c.ControlURL = "127.0.0.1:7070" },
		"nats_seed_file":  func(c *node.Config) { c.NATSURL, c.NATSSeedFile = "nats://127.0.0.1:1", "/nowhere.seed" },
	} {
		n := newNode(t, change)
		if _, _, err := n.Follower(node.Follow{}); err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("%s: got %v", setting, err)
		}
	}
}

func TestRun_OneConnectionAnnouncesAndFollows(t *testing.T) {
	seeds, addr := t.TempDir(), testkit.FreeAddr(t)
	server, err := natsd.New(natsd.Config{Listen: addr, Credentials: seeds})
	if err != nil {
		t.Fatal(err)
	}
	testkit.Start(t, server.Run)
	token := filepath.Join(t.TempDir(), "tier.token")
	if err := os.WriteFile(token, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, func(c *node.Config) {
		c.NATSURL, c.NATSSeedFile = "nats://"+addr, natsd.SeedFile(seeds, "edge")
		c.ControlURL, c.TierTokenFile = "http://127.0.0.1:1", token
	})
	first, err := n.Bus()
	if err != nil {
		t.Fatal(err)
	}
	f, part, err := n.Follower(node.Follow{StandAlone: true})
	if err != nil || f == nil {
		t.Fatalf("got %v, %v", f, err)
	}
	if again, err := n.Bus(); again != first || err != nil {
		t.Errorf("another connection, %v", err)
	}
	control, err := bus.Connect(t.Context(), bus.Config{URL: "nats://" + addr, SeedFile: natsd.SeedFile(seeds, "control"), Role: "control"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(control.Close)
	heard := make(chan bus.Hello, 100)
	if _, err := control.SubscribeHello(func(h bus.Hello) { heard <- h }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, part, runner.Part{Name: "tier", Run: serve}) }()
	await(t, heard, true)
	cancel()
	await(t, heard, false)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// serve stands for a tier's own part.
func serve(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}

func await(t *testing.T, heard <-chan bus.Hello, ready bool) {
	t.Helper()
	timeout := time.After(deadline)
	for {
		select {
		case h := <-heard:
			if h.Node == "edge-1" && h.Ready == ready {
				return
			}
		case <-timeout:
			t.Fatalf("never said ready %v", ready)
		}
	}
}
