package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/shared/bus"
	"tiercache/shared/bus/natsd"
	"tiercache/shared/node"
	"tiercache/shared/policy"
	"tiercache/shared/testkit"
	"tiercache/shared/token"
)

const deadline = 15 * time.Second

// controlNode is a running control node.
type controlNode struct {
	*Control
	cfg        Config
	url, token string
	stop       func() error
}

// prepare returns a node's settings with a token file, and the token.
func prepare(t *testing.T, change func(*Config)) (Config, string) {
	t.Helper()
	secret := token.Generate()
	path := filepath.Join(t.TempDir(), "admin.token")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.PostgresURL = testkit.Postgres(t)
	cfg.Listen, cfg.AdminListen, cfg.AdminTokenFile, cfg.Version, cfg.LogLevel = testkit.FreeAddr(t), testkit.FreeAddr(t), path, "v1.2.3", "error"
	if change != nil {
		change(&cfg)
	}
	return cfg, secret
}

func start(t *testing.T, change func(*Config)) *controlNode {
	t.Helper()
	cfg, secret := prepare(t, change)
	return run(t, cfg, secret)
}

// run starts a node with these settings.
func run(t *testing.T, cfg Config, secret string) *controlNode {
	t.Helper()
	base, err := node.New(t.Context(), Tier, cfg.Config)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newControl(base, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- errors.Join(base.Run(ctx, c.parts()...), base.Close(ctx)) }()
	n := &controlNode{Control: c, cfg: cfg, url: "http://" + cfg.Listen, token: secret}
	n.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = n.stop() }) // before the database that it uses is dropped
	eventually(t, "ready", func() bool { return base.Health.Ready() && get(t, n.url+"/v1/version", "").StatusCode == 200 })
	return n
}

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

// reply is a response whose body was read.
type reply struct {
	*http.Response
	text string
}

func send(t *testing.T, method, url, authorization string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	return do(t, req)
}

// do sends a request and reads the reply; nobody answering is status 0.
func do(t *testing.T, req *http.Request) reply {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{Response: &http.Response{}}
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return reply{resp, string(body)}
}

func get(t *testing.T, url, authorization string) reply {
	t.Helper()
	return send(t, http.MethodGet, url, authorization)
}

func asProblem(err error, p **client.Problem) bool { return errors.As(err, p) }

func (n *controlNode) client(t *testing.T, secret string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{URL: n.url, Token: secret})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAPI_FleetNeedsAToken(t *testing.T) {
	n := start(t, nil)
	purger := token.Generate()
	if err := n.tokens.Add(purger, token.Purge); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		authorization string
		status        int
	}{
		"none":       {"", 401},
		"unknown":    {"Bearer " + token.Generate(), 401},
		"wrong role": {"Bearer " + purger, 403},
		"admin":      {"Bearer " + n.token, 200},
	} {
		r := get(t, n.url+"/v1/fleet", c.authorization)
		if r.StatusCode != c.status {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.text)
		}
		if c.status == 401 && r.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
		if c.status != 200 {
			expectProblem(t, r, c.status)
		}
	}
	if err := n.stop(); err != nil {
		t.Error(err)
	}
}

// expectProblem checks the form of an error (RFC 9457, 3).
func expectProblem(t *testing.T, r reply, status int) {
	t.Helper()
	var p client.Problem
	if err := json.Unmarshal([]byte(r.text), &p); err != nil || p.Status != status || p.Title == "" || p.Detail == "" {
		t.Errorf("%d: not a problem: %s", status, r.text)
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%d: Content-Type %q", status, got)
	}
}

func TestAPI_UnknownPathsAndMethods(t *testing.T) {
	n := start(t, nil)
	for path, want := range map[string]int{"/": 404, "/v1/none": 404, "/docs": 404, "/v1/fleet/": 404} {
		expectProblem(t, get(t, n.url+path, ""), want)
	}
	r := send(t, http.MethodPost, n.url+"/v1/fleet", "")
	expectProblem(t, r, 405)
	if got := r.Header.Get("Allow"); got != "GET, HEAD" {
		t.Errorf("Allow %q", got)
	}
}

func TestAPI_DescribesItself(t *testing.T) {
	n := start(t, nil)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct{ Security []any }
	}
	if err := json.Unmarshal([]byte(get(t, n.url+"/openapi.json", "").text), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths["/v1/fleet"]["get"].Security) != 1 || doc.Paths["/v1/version"] == nil {
		t.Errorf("got %+v", doc)
	}
	if strings.Contains(get(t, n.url+"/v1/version", "").text, "$schema") {
		t.Error("replies carry $schema")
	}
}

func TestControl_AloneItIsItsOwnFleet(t *testing.T) {
	n := start(t, nil)
	f, err := n.client(t, n.token).Fleet(t.Context())
	if err != nil || !f.Ready || len(f.Nodes) != 1 || f.Nodes[0].Node != "control-1" || f.Nodes[0].Version != "v1.2.3" {
		t.Errorf("got %+v, %v", f, err)
	}
	v, err := n.client(t, "").Version(t.Context())
	if err != nil || v.Version != "v1.2.3" || v.Node != "control-1" {
		t.Errorf("got %+v, %v", v, err)
	}
	if text := get(t, "http://"+n.cfg.AdminListen+"/metrics", "").text; !strings.Contains(text, `tiercache_fleet_nodes{state="live",tier="control"} 1`) {
		t.Errorf("no fleet metric in\n%.2000s", text)
	}
}

func TestControl_HearsNodesOverNATS(t *testing.T) {
	dir, addr := t.TempDir(), testkit.FreeAddr(t)
	if _, err := natsd.GenerateCredentials(dir); err != nil {
		t.Fatal(err)
	}
	n := start(t, func(c *Config) { c.NATSURL, c.NATSSeedFile = "nats://"+addr, natsd.SeedFile(dir, "control") })

	server, err := natsd.New(natsd.Config{Listen: addr, Credentials: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = server.Run(ctx, func() {}) }()
	edgeBus, err := bus.Connect(ctx, bus.Config{URL: "nats://" + addr, SeedFile: natsd.SeedFile(dir, "edge"), Name: "edge-1", Role: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	defer edgeBus.Close()
	edge := bus.Announce(edgeBus, func() bus.Hello {
		return bus.Hello{Tier: "edge", Node: "edge-1", Addr: "127.0.0.1:8080", Ready: true}
	})
	go func() { _ = edge.Run(ctx, func() {}) }()

	c := n.client(t, n.token)
	eventually(t, "an edge in the fleet", func() bool {
		f, err := c.Fleet(t.Context())
		return err == nil && len(f.Nodes) == 2 && f.Nodes[1].Node == "edge-1" && f.Nodes[1].State == client.StateLive && f.Ready
	})
	cancel()
	eventually(t, "an edge that is silent", func() bool {
		f, err := c.Fleet(t.Context())
		return err == nil && len(f.Nodes) == 2 && f.Nodes[1].State == client.StateSilent && !f.Ready
	})
}

func TestControl_BadTokenFileIsNamed(t *testing.T) {
	for text, want := range map[string]error{"my-secret\n": token.ErrMalformed, "none": os.ErrNotExist} {
		path := filepath.Join(t.TempDir(), "token")
		if text != "none" {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cfg, _ := prepare(t, func(c *Config) { c.AdminTokenFile = path })
		base, err := node.New(t.Context(), Tier, cfg.Config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Build(base, cfg)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "my-secret") {
			t.Errorf("got %v", err)
		}
	}
}

func TestConfig_Validate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"node":               func(c *Config) { c.Node = "a b" },
		"listen":             func(c *Config) { c.Listen = "7070" },
		"admin_token_file":   func(c *Config) { c.AdminTokenFile = "" },
		"drain_timeout":      func(c *Config) { c.DrainTimeout = 0 },
		"admin_listen":       func(c *Config) { c.Listen = "127.0.0.1:60000" },
		"trace_sample_ratio": func(c *Config) { c.SampleRatio = 2 },
		"postgres_url":       func(c *Config) { c.PostgresURL = "" },
		"retention":          func(c *Config) { c.Retention = time.Second },
		"services[0].name":   func(c *Config) { c.Services = []policy.Service{{}} },
	} {
		cfg := DefaultConfig()
		cfg.AdminTokenFile, cfg.PostgresURL = "x", "postgres://x"
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	cfg := DefaultConfig()
	cfg.AdminTokenFile, cfg.PostgresURL = "x", "postgres://x"
	if err := cfg.Validate(); err != nil || cfg.AdminListen != "127.0.0.1:17070" {
		t.Errorf("got %q, %v", cfg.AdminListen, err)
	}
}
