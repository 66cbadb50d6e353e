package runner

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tiercache/shared/testkit"
)

// serve runs p and returns a function that stops it and gives its error.
func serve(t *testing.T, p Part) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	case <-time.After(10 * time.Second):
		t.Fatal("not ready")
	}
	t.Cleanup(cancel)
	return func() error { cancel(); return <-done }
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestAdmin_ReadyzSaysWhatItWaitsFor(t *testing.T) {
	h := NewHealth()
	pg := h.Component("postgres", true)
	h.Component("nats", false).Fail("no route")
	addr := testkit.FreeAddr(t)
	stop := serve(t, Admin(addr, h, nil))

	pg.Fail("connection refused")
	status, body := get(t, "http://"+addr+"/readyz")
	var got struct {
		Ready      bool     `json:"ready"`
		WaitingFor []string `json:"waiting_for"`
		Components map[string]struct {
			OK, Required bool
			Detail       string
			Since        string
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if status != 503 || got.Ready || len(got.WaitingFor) != 1 || got.WaitingFor[0] != "postgres: connection refused" {
		t.Errorf("got %d %s", status, body)
	}
	if nats := got.Components["nats"]; nats.Required || nats.OK || nats.Detail != "no route" {
		t.Errorf("got %+v", nats)
	}
	if _, err := time.Parse(time.RFC3339, got.Components["nats"].Since); err != nil {
		t.Error(err)
	}

	pg.OK("PostgreSQL 15")
	if status, body := get(t, "http://"+addr+"/readyz"); status != 200 || !strings.Contains(body, `"waiting_for":[]`) {
		t.Errorf("got %d %s", status, body)
	}
	h.Draining()
	if status, _ := get(t, "http://"+addr+"/readyz"); status != 503 {
		t.Errorf("draining: got %d", status)
	}
	if status, _ := get(t, "http://"+addr+"/healthz"); status != 200 {
		t.Errorf("healthz: got %d", status)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAdmin_OtherPaths(t *testing.T) {
	addr := testkit.FreeAddr(t)
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") })
	serve(t, Admin(addr, NewHealth(), metrics))
	for path, want := range map[string]int{"/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/goroutine": 200, "/": 404} {
		if status, _ := get(t, "http://"+addr+path); status != want {
			t.Errorf("%s: got %d", path, status)
		}
	}
}

func TestServer_RefusesALargeHeader(t *testing.T) {
	addr := testkit.FreeAddr(t)
	serve(t, Admin(addr, NewHealth(), nil))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Large", strings.Repeat("a", 64<<10))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d", resp.StatusCode)
	}
}

func TestServer_BusyPortIsNamed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	err = Run(t.Context(), Options{}, Admin(ln.Addr().String(), NewHealth(), nil))
	if err == nil || !strings.Contains(err.Error(), "admin: listen: ") || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("got %v", err)
	}
}

func TestServer_FinishesRequestsInFlight(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	bound := make(chan net.Addr, 1)
	stop := serve(t, Server{
		Addr:      "127.0.0.1:0",
		Listening: func(a net.Addr) { bound <- a },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			_, _ = io.WriteString(w, "whole")
		}),
	}.Part())
	addr := (<-bound).String()
	body := make(chan string, 1)
	go func() { _, b := get(t, "http://"+addr+"/"); body <- b }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for { // until the listener is closed
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	close(release)
	if got := <-body; got != "whole" {
		t.Errorf("got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestServer_CutsWhatOutlivesTheDrain(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	addr := testkit.FreeAddr(t)
	stop := serve(t, Server{
		Addr:         addr,
		DrainTimeout: 50 * time.Millisecond,
		Handler:      http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-release }),
	}.Part())
	go func() {
		if resp, err := http.Get("http://" + addr + "/"); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-entered
	if err := stop(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAdminAddr(t *testing.T) {
	for listen, want := range map[string]string{
		":8080": "127.0.0.1:18080", "0.0.0.0:8080": "127.0.0.1:18080", "[::1]:7090": "127.0.0.1:17090",
		"127.0.0.1:60000": "", "8080": "", "a:http": "",
	} {
		got, err := AdminAddr(listen)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", listen, got, err)
		}
	}
}
