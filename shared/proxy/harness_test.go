package proxy_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/object"
	"tiercache/shared/object/storetest"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
	"tiercache/shared/proxy/foreign"
	"tiercache/shared/proxy/listener"
	"tiercache/shared/testkit"
)

// memory is a Store in a map, with a switch that breaks it.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	broken bool
	remove func() // called before each Remove, without the lock
	store  func() // called before each Store, without the lock; nil: nothing is
	looked func() // called after each Lookup, without the lock; set before the first
}

func newMemory() *memory { return &memory{values: map[string][]byte{}} }

func (m *memory) Lookup(_ context.Context, key string) ([]byte, error) {
	if m.looked != nil {
		defer m.looked()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return nil, io.ErrUnexpectedEOF
	}
	if v, ok := m.values[key]; ok {
		return append([]byte(nil), v...), nil
	}
	return nil, object.ErrNotFound
}

func (m *memory) Store(_ context.Context, key string, value []byte, _ time.Duration) error {
	m.mu.Lock()
	before := m.store
	m.mu.Unlock()
	if before != nil {
		before()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return io.ErrUnexpectedEOF
	}
	if err := object.CheckSize(key, value); err != nil {
		return err
	}
	m.values[strings.Clone(key)] = append([]byte(nil), value...)
	return nil
}

func (m *memory) Remove(_ context.Context, key string) error {
	m.mu.Lock()
	before := m.remove
	m.mu.Unlock()
	if before != nil {
		before()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
	return nil
}

func (m *memory) Extend(_ context.Context, key string, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.values[key]; !ok {
		return object.ErrNotFound
	}
	return nil
}

// onRemove makes each Remove call before first.
func (m *memory) onRemove(before func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove = before
}

// onStore makes the next Store call before first.
func (m *memory) onStore(before func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.store = sync.OnceFunc(before)
}

func (m *memory) each(change func(key string, value []byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, v := range m.values {
		if v = change(k, v); v == nil {
			delete(m.values, k)
		} else {
			m.values[k] = v
		}
	}
}

// clock is a clock that tests alone advance: what Cache-Status says of lifetimes does not depend on how busy the
// machine is.
type clock struct {
	begin  sync.Once
	began  time.Time
	offset atomic.Int64
}

func (c *clock) now() time.Time {
	c.begin.Do(func() { c.began = time.Now() })
	return c.began.Add(time.Duration(c.offset.Load()))
}

func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// system is a proxy behind a real listener in front of a real upstream.
type system struct {
	t        *testing.T
	url      string
	store    *memory
	clock    *clock
	proxy    *proxy.Proxy
	upstream *httptest.Server
	fetched  atomic.Int64
	client   *http.Client
	control  proxy.ControlLog

	edge      *proxy.Proxy // in front of proxy, with two tiers
	edgeStore *memory
}

type option func(*proxy.Config, *policy.Service)

// newSystem starts a proxy whose upstream is served by handle.
func newSystem(t *testing.T, handle http.HandlerFunc, options ...option) *system {
	t.Helper()
	return newLogged(t, nil, handle, options...)
}

// newLogged is newSystem with a control log.
func newLogged(t *testing.T, control proxy.ControlLog, handle http.HandlerFunc, options ...option) *system {
	t.Helper()
	s := &system{t: t, store: newMemory(), clock: &clock{}, control: control}
	s.upstream = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetched.Add(1)
		w.Header().Set("Date", s.clock.now().UTC().Format(http.TimeFormat))
		handle(w, r)
	}))
	t.Cleanup(s.upstream.Close)
	cfg := proxy.Config{Node: "edge-1", FacesClients: true}
	service := policy.Service{Name: "site", Hosts: []string{"site.example", "127.0.0.1"}, Upstream: s.upstream.URL, Timeout: 30 * time.Second}
	for _, o := range options {
		o(&cfg, &service)
	}
	s.start(cfg, service)
	return s
}

func (s *system) start(cfg proxy.Config, service policy.Service) {
	set, err := policy.NewSet([]policy.Service{service})
	if err != nil {
		s.t.Fatal(err)
	}
	upstream := foreign.New()
	s.proxy, err = proxy.New(cfg, proxy.Deps{Store: s.store, Upstream: upstream, Policy: set, Log: slog.New(slog.DiscardHandler), Now: s.clock.now, Control: s.control})
	if err != nil {
		s.t.Fatal(err)
	}
	s.url = listen(s.t, s.proxy)
	s.client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s.t.Cleanup(func() {
		s.client.CloseIdleConnections()
		upstream.Close()
	})
}

// listen serves p on a free port and returns its URL.
func listen(t *testing.T, p *proxy.Proxy) string {
	t.Helper()
	addr := testkit.FreeAddr(t)
	testkit.Start(t, listener.New(listener.Config{Addr: addr, DrainTimeout: 5 * time.Second}, p.Serve, slog.New(slog.DiscardHandler)).Run)
	return "http://" + addr
}

// reply is a response with its body read.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// do sends a request; fields are "Name: value".
func (s *system) do(method, path string, fields ...string) reply {
	s.t.Helper()
	request, err := http.NewRequest(method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if name == "Host" {
			request.Host = value
			continue
		}
		request.Header.Add(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(body), err}
}

func (s *system) get(path string, fields ...string) reply { return s.do("GET", path, fields...) }

// expect fails the test unless the reply has the status, body and Cache-Status member.
func (r reply) expect(t *testing.T, status int, body, cacheStatus string) {
	t.Helper()
	got := strings.Join(r.header.Values("Cache-Status"), ", ")
	if r.status != status || r.body != body || !strings.Contains(got, cacheStatus) || r.err != nil {
		t.Fatalf("got %d %.60q (%d bytes) %q, %v\nwant %d %.60q %q", r.status, r.body, len(r.body), got, r.err, status, body, cacheStatus)
	}
}

// TestMemory keeps the double honest: it obeys the contract that L1 and L2 obey.
func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) object.Store { return newMemory() })
}
