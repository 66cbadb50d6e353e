package natsd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

const deadline = 15 * time.Second

// start runs a server on a free port until the test ends.
func start(t *testing.T, dir string, log *slog.Logger) string {
	t.Helper()
	s, err := New(Config{Listen: "127.0.0.1:0", Credentials: dir, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s.URL()
}

// dial connects as a role; what the server refuses arrives in the channel.
func dial(t *testing.T, url, dir, role string, options ...nats.Option) (*nats.Conn, <-chan error) {
	t.Helper()
	seed, err := nats.NkeyOptionFromSeed(SeedFile(dir, role))
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 10)
	options = append(options, seed, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	c, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, refused
}

// violation is what was refused of what c has sent so far; nil for nothing. Refusals are handed over in order, so
// the one of a message that nobody may send ends the wait.
func violation(t *testing.T, c *nats.Conn, refused <-chan error) error {
	t.Helper()
	const forbidden = "nobody.may"
	if err := c.Publish(forbidden, nil); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-refused:
		if strings.Contains(err.Error(), forbidden) {
			return nil
		}
		return err
	case <-time.After(deadline):
		t.Fatal("what nobody may do is not refused")
	}
	return nil
}

func TestPermissions_WhatAStolenSeedCanDo(t *testing.T) {
	dir := t.TempDir()
	url := start(t, dir, nil)
	cases := []struct {
		role, subject string
		publish, ok   bool
	}{
		{"edge", "tiercache.v1.hello.edge.edge-1", true, true},
		{"edge", "tiercache.v1.hello.regional.x", true, false},
		{"edge", "tiercache.v1.hello.control.x", true, false},
		{"edge", "tiercache.v1.log.1", true, false},
		{"edge", "tiercache.v1.log.edge", true, false},
		{"edge", "tiercache.v1.log.origin", true, false},
		{"edge", "tiercache.v1.log.control", true, false},
		{"edge", "tiercache.v1.renew.edge.edge-1", true, true},
		{"edge", "tiercache.v1.renew.edge", true, false},
		{"edge", "tiercache.v1.renew.regional.regional-1", true, false},
		{"edge", "tiercache.v1.fetch.edge", true, true},
		{"edge", "tiercache.v1.fetch.regional", true, false},
		{"edge", "tiercache.v1.renew.>", false, false},
		{"edge", "tiercache.v1.renew.edge.*", false, false},
		{"edge", "tiercache.v1.fetch.edge", false, false},
		{"edge", "tiercache.v1.hello.edge.*", false, false},
		{"edge", "_INBOX.regional.>", false, false},
		{"edge", "_INBOX.>", false, false},
		{"edge", "tiercache.v1.hello.edge", true, false},
		{"edge", "_INBOX.control.a", true, false},
		{"edge", "_INBOX.edge.a", true, false},
		{"edge", "$SYS.REQ.SERVER.PING", true, false},
		{"edge", "$JS.API.INFO", true, false},
		{"edge", "tiercache.v1.log.>", false, true},
		{"edge", "_INBOX.edge.a.*", false, true},
		{"edge", "tiercache.v1.ask.edge.edge-1", false, true},
		{"edge", "tiercache.v1.ask.edge.*", false, true},
		{"edge", "tiercache.v1.ask.regional.regional-1", false, false},
		{"edge", "tiercache.v1.ask.edge.edge-2", true, false},
		{"origin", "tiercache.v1.ask.origin.origin-1", false, false},
		{"control", "tiercache.v1.ask.edge.edge-1", true, true},
		{"edge", "_INBOX.control.>", false, false},
		{"edge", "tiercache.v1.hello.>", false, false},
		{"edge", ">", false, false},
		{"edge", "tiercache.>", false, false},
		{"regional", "tiercache.v1.hello.regional.a", true, true},
		{"regional", "tiercache.v1.hello.edge.a", true, false},
		{"origin", "tiercache.v1.hello.origin.a", true, true},
		{"regional", "tiercache.v1.renew.regional.a", true, true},
		{"regional", "tiercache.v1.renew.edge.a", true, false},
		{"regional", "tiercache.v1.log.regional", true, false},
		{"regional", "tiercache.v1.fetch.edge", true, false},
		{"origin", "tiercache.v1.log.1", true, false},
		{"origin", "tiercache.v1.log.origin", true, true},
		{"origin", "tiercache.v1.log.control", true, false},
		{"origin", "tiercache.v1.fetch.origin", true, true},
		{"origin", "tiercache.v1.renew.>", false, false},
		{"control", "tiercache.v1.renew.*.*", false, true},
		{"control", "_INBOX.regional.a", true, true},
		{"control", "tiercache.v1.log.1", true, true},
		{"control", "_INBOX.edge.a", true, true},
		{"control", "tiercache.>", false, true},
		{"control", "_INBOX.edge.>", false, false},
		{"control", "$SYS.>", false, false},
	}
	for _, c := range cases {
		verb := map[bool]string{true: "publishes ", false: "subscribes to "}[c.publish]
		t.Run(c.role+" "+verb+c.subject, func(t *testing.T) {
			t.Parallel()
			conn, refused := dial(t, url, dir, c.role)
			var err error
			if c.publish {
				err = conn.Publish(c.subject, []byte("x"))
			} else {
				_, err = conn.SubscribeSync(c.subject)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := violation(t, conn, refused)
			if c.ok && got != nil {
				t.Errorf("refused: %v", got)
			}
			if !c.ok && !errors.Is(got, nats.ErrPermissionViolation) {
				t.Errorf("got %v, want a permission violation", got)
			}
		})
	}
}

func TestPermissions_ARefusedMessageReachesNobody(t *testing.T) {
	dir := t.TempDir()
	url := start(t, dir, nil)
	control, _ := dial(t, url, dir, "control")
	sub, err := control.SubscribeSync("tiercache.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := control.FlushTimeout(deadline); err != nil {
		t.Fatal(err)
	}
	edge, _ := dial(t, url, dir, "edge")
	for _, subject := range []string{"tiercache.v1.log.1", "tiercache.v1.hello.origin.a", "tiercache.v1.hello.edge.a"} {
		if err := edge.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	m, err := sub.NextMsg(deadline)
	if err != nil || m.Subject != "tiercache.v1.hello.edge.a" {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestServer_RefusesStrangers(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	url := start(t, dir, nil)
	if _, err := GenerateCredentials(other); err != nil {
		t.Fatal(err)
	}
	stranger, err := nats.NkeyOptionFromSeed(SeedFile(other, "control"))
	if err != nil {
		t.Fatal(err)
	}
	for name, option := range map[string]nats.Option{
		"anonymous": nats.Name("x"), "password": nats.UserInfo("control", "control"), "other key": stranger,
	} {
		if c, err := nats.Connect(url, option); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: got %v", name, err)
			if c != nil {
				c.Close()
			}
		}
	}
}

func TestServer_LimitsPayloads(t *testing.T) {
	dir := t.TempDir()
	url := start(t, dir, nil)
	c, _ := dial(t, url, dir, "control")
	if err := c.Publish("tiercache.v1.log.1", make([]byte, maxPayload+1)); !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("got %v", err)
	}
}

func TestServer_BusyPortIsNamed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	s, err := New(Config{Listen: ln.Addr().String(), Credentials: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context(), func() { t.Error("ready") })
	if err == nil || !strings.Contains(err.Error(), ln.Addr().String()) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
}

func TestServer_LogsThroughSlogAndNoKeys(t *testing.T) {
	dir := t.TempDir()
	var log lockedBuffer
	url := start(t, dir, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if _, err := nats.Connect(url, nats.UserInfo("control", "hunter2")); err == nil {
		t.Error("let in")
	}
	text := log.String()
	if !strings.Contains(text, "Listening for client connections") || !strings.Contains(text, "authentication error") {
		t.Errorf("got %s", text)
	}
	if strings.Contains(text, "hunter2") {
		t.Error("a password is in the log")
	}
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestConfig_LoopbackByDefault(t *testing.T) {
	for listen, want := range map[string]string{"": "127.0.0.1", ":7060": "127.0.0.1", "0.0.0.0:1": "0.0.0.0", "[::1]:1": "::1"} {
		if host, _, err := splitListen(listen); host != want || err != nil {
			t.Errorf("%q: got %q, %v", listen, host, err)
		}
	}
	for _, bad := range []Config{{Listen: "7060", Credentials: "x"}, {Listen: "a:70600", Credentials: "x"}, {Listen: ":1"}} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}

func TestGenerateCredentials_KeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir() + "/new"
	first, err := GenerateCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 4 {
		t.Errorf("got %v", first)
	}
	if err := os.Remove(PublicKeyFile(dir, "edge")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(SeedFile(dir, "origin")); err != nil {
		t.Fatal(err)
	}
	second, err := GenerateCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	if second["edge"] != first["edge"] || second["origin"] == first["origin"] {
		t.Errorf("first %v\nthen  %v", first, second)
	}
	for _, role := range Roles() {
		info, err := os.Stat(SeedFile(dir, role))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", role, info.Mode(), err)
		}
		public, err := os.ReadFile(PublicKeyFile(dir, role))
		if err != nil || strings.TrimSpace(string(public)) != second[role] {
			t.Errorf("%s: %s, %v", role, public, err)
		}
	}
}

func TestGenerateCredentials_NeverOverwritesADamagedSeed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(SeedFile(dir, "edge"), []byte("half a se"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := GenerateCredentials(dir); !errors.Is(err, ErrSeed) || strings.Contains(err.Error(), "half") {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(SeedFile(dir, "edge")); string(text) != "half a se" {
		t.Errorf("got %s, %v", text, err)
	}
}
