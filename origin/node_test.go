package origin_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/origin"
	"tiercache/origin/postgres"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
	"tiercache/shared/testkit"
	"tiercache/shared/token"
)

// node is an origin that serves on a free port.
type node struct {
	*origin.Origin
	t     *testing.T
	addr  string // host:port
	token string
	tel   *telemetry.Telemetry
	store *postgres.Store
	url   string // of the database
	log   *lockedWriter
}

// settings are what a test wants changed before the node starts.
type settings struct {
	config func(*origin.Config)
	store  func(*postgres.Config)
	origin func(*origin.Origin)
	url    string
}

func startNode(t *testing.T, set settings) *node {
	t.Helper()
	n := &node{t: t, token: token.Generate(), log: &lockedWriter{w: &bytes.Buffer{}}}
	cfg := origin.DefaultConfig()
	cfg.Listen, cfg.PostgresURL = "127.0.0.1:0", set.url
	if set.url == "" {
		cfg.PostgresURL = testkit.Postgres(t)
	}
	cfg.AdminTokenFile = filepath.Join(t.TempDir(), "admin.token")
	if err := os.WriteFile(cfg.AdminTokenFile, []byte(n.token), 0o600); err != nil {
		t.Fatal(err)
	}
	n.url = cfg.PostgresURL
	if set.config != nil {
		set.config(&cfg)
	}
	log := slog.New(slog.NewTextHandler(n.log, nil))
	tel, err := telemetry.New(context.Background(), cfg.Config.Config, telemetry.Resource{Tier: "origin", Node: "origin-1"})
	if err != nil {
		t.Fatal(err)
	}
	n.tel = tel
	health := runner.NewHealth()
	storeConfig := postgres.Config{URL: cfg.PostgresURL, KeepVersions: cfg.KeepVersions, KeepAge: cfg.KeepAge}
	if set.store != nil {
		set.store(&storeConfig)
	}
	if n.store, err = postgres.New(storeConfig, log, health.Component("postgres", true)); err != nil {
		t.Fatal(err)
	}
	if n.Origin, err = origin.New(cfg, n.store, tel, log); err != nil {
		t.Fatal(err)
	}
	if set.origin != nil {
		set.origin(n.Origin)
	}
	n.store.Sequenced = n.Publish
	n.Listening = func(a net.Addr) { n.addr = a.String() }
	n.run(health)
	return n
}

// run starts the node's parts, waits until it is ready and stops it when the test ends.
func (n *node) run(health *runner.Health) {
	n.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done, listening := make(chan error, 1), make(chan struct{})
	last := runner.Part{Name: "test", Run: func(ctx context.Context, ready func()) error {
		ready()
		close(listening)
		<-ctx.Done()
		return nil
	}}
	go func() {
		done <- runner.Run(ctx, runner.Options{Health: health, DrainTimeout: 5 * time.Second},
			runner.Part{Name: "postgres", Run: n.store.Run}, n.Part(), last)
	}()
	n.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			n.t.Errorf("run: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	select {
	case <-listening:
	case err := <-done:
		done <- err
		n.t.Fatalf("start: %v", err)
	}
	testkit.Eventually(n.t, 20*time.Second, func() error {
		if !health.Ready() {
			return errors.New("not ready")
		}
		return nil
	})
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// do sends a request whose target goes out as it is; fields are "Name: value".
func (n *node) do(method, target, host string, body io.Reader, fields ...string) answer {
	n.t.Helper()
	req, err := http.NewRequest(method, "http://"+n.addr, body)
	if err != nil {
		n.t.Fatal(err)
	}
	path, query, _ := strings.Cut(target, "?")
	req.URL.Opaque, req.URL.RawQuery = path, query
	if strings.HasPrefix(path, "//") {
		req.URL.Opaque = "//" + n.addr + path // net/http takes two slashes for an authority
	}
	req.Host = host
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header.Add(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(b), err: err}
}

func (n *node) get(host, path string, fields ...string) answer {
	n.t.Helper()
	return n.do("GET", path, host, nil, fields...)
}

// api is a request with the token.
func (n *node) api(method, target string, body io.Reader, fields ...string) answer {
	n.t.Helper()
	return n.do(method, target, n.addr, body, append(fields, "Authorization: Bearer "+n.token)...)
}

// put stores a body and fails the test if that does not work.
func (n *node) put(hostAndPath, body string, fields ...string) answer {
	n.t.Helper()
	a := n.api("PUT", "/v1/objects/"+hostAndPath, strings.NewReader(body), fields...)
	if a.status != http.StatusCreated && a.status != http.StatusOK {
		n.t.Fatalf("put %s: %d %s", hostAndPath, a.status, a.body)
	}
	return a
}

// want checks the status and that the body has a text.
func (a answer) want(t *testing.T, what string, status int, text string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, text) {
		t.Errorf("%s: got %d %.300q, want %d with %q", what, a.status, a.body, status, text)
	}
}

// lockedWriter lets the test read what the node has logged.
type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (l *lockedWriter) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.String()
}

// sql runs a statement beside the store.
func (n *node) sql(statement string, args ...any) {
	n.t.Helper()
	testkit.Execute(n.t, n.url, statement, args...)
}

// lockObjects locks every object's row, as another origin's write does, until unlock is called.
func (n *node) lockObjects() (unlock func()) {
	n.t.Helper()
	return testkit.Hold(n.t, n.url, "SELECT FROM origin.objects FOR UPDATE")
}

// insertObjects makes many objects below h/many/ that share the body of h/seed.
func (n *node) insertObjects(total int) {
	n.t.Helper()
	n.sql(`WITH v AS (
			INSERT INTO origin.versions (host, path, body_id, fields)
			SELECT 'h', '/many/' || i, (SELECT id FROM origin.bodies LIMIT 1), '{}' FROM generate_series(1, $1::int) i
			RETURNING id, host, path)
		INSERT INTO origin.objects (host, path, version_id) SELECT host, path, id FROM v`, total)
}

func metricsOf(t *testing.T, n *node) string {
	t.Helper()
	w := httptest.NewRecorder()
	n.tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func waitFor(t *testing.T, timeout time.Duration, holds func() bool) {
	t.Helper()
	testkit.Eventually(t, timeout, func() error {
		if !holds() {
			return errors.New("it does not hold")
		}
		return nil
	})
}
