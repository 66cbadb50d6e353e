package proxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// RFC 9110, 9.3.3: what a POST yields for its own URI answers a later GET, if it says so and how long.
func TestPosted_MayAnswerAGet(t *testing.T) {
	for name, c := range map[string]struct {
		change func(http.Header)
		hit    bool
	}{
		"by path": {func(http.Header) {}, true},
		"Expires": {func(h http.Header) {
			h.Del("Cache-Control")
			h.Set("Expires", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		}, true},
		"another location": {func(h http.Header) { h.Set("Content-Location", "/b") }, false},
		"no location":      {func(h http.Header) { h.Del("Content-Location") }, false},
		"another origin":   {func(h http.Header) { h.Set("Content-Location", "http://other.example/a") }, false},
		"no freshness":     {func(h http.Header) { h.Del("Cache-Control") }, false},
		"private":          {func(h http.Header) { h.Set("Cache-Control", "private, max-age=60") }, false},
		"a cookie":         {func(h http.Header) { h.Set("Set-Cookie", "a=b") }, false},
		"it varies":        {func(h http.Header) { h.Set("Vary", "Accept") }, false},
		"no-store":         {func(h http.Header) { h.Set("Cache-Control", "no-store, max-age=60") }, false},
	} {
		s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			if r.Method == http.MethodPost {
				w.Header().Set("Content-Location", "/a")
				c.change(w.Header())
			}
			_, _ = io.WriteString(w, r.Method)
		})
		s.get("/a").expect(t, 200, "GET", "fwd=uri-miss")
		s.do("POST", "/a").expect(t, 200, "POST", "fwd=method")
		if r := s.get("/a"); (r.body == "POST") != c.hit || strings.Contains(r.header.Get("Cache-Status"), "hit") != c.hit {
			t.Errorf("%s: %q, %v", name, r.body, r.header)
		}
	}
}

func TestPosted_ABrokenBodyIsNotStored(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Location", "/a")
		if r.Method == http.MethodPost {
			w.Header().Set("Content-Length", "10")
		}
		_, _ = io.WriteString(w, r.Method)
	})
	if r := s.do("POST", "/a"); r.err == nil {
		t.Errorf("%q is whole", r.body)
	}
	s.get("/a").expect(t, 200, "GET", "fwd=uri-miss")
}

// What was sent before another unsafe method has changed the resource, and comes after that, is old.
func TestPosted_OvertakenByAnotherMethod(t *testing.T) {
	begun, hold := make(chan struct{}), make(chan struct{})
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if r.Method == http.MethodPost {
			w.Header().Set("Content-Location", "/a")
			close(begun)
			<-hold
		}
		_, _ = io.WriteString(w, r.Method)
	})
	answered := make(chan reply)
	go func() { answered <- s.do("POST", "/a") }()
	<-begun
	s.do("PUT", "/a").expect(t, 200, "PUT", "fwd=method")
	close(hold)
	r := <-answered
	r.expect(t, 200, "POST", "fwd=method")
	s.get("/a").expect(t, 200, "GET", "fwd=uri-miss")
}

// An unsafe method that comes while what a POST has yielded is being stored finds nothing to remove.
func TestPosted_OvertakenWhileItIsStored(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if r.Method == http.MethodPost {
			w.Header().Set("Content-Location", "/a")
		}
		_, _ = io.WriteString(w, r.Method)
	})
	overtaken := false
	s.store.onStore(func() {
		s.do("PUT", "/a")
		overtaken = true
	})
	s.do("POST", "/a").expect(t, 200, "POST", "fwd=method")
	if !overtaken {
		t.Fatal("nothing was stored")
	}
	s.get("/a").expect(t, 200, "GET", "fwd=uri-miss")
}

// RFC 9112, 6.1: content in an unknown transfer coding cannot be known. RFC 9209 has names for each.
func TestServe_UpstreamThatDoesNotSpeakHTTP(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13\r\n\r\nuryyb": "error=http_response_transfer_coding",
		"SSH-2.0-OpenSSH_9.2\r\n\r\n":                              "error=http_protocol_error",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n":                      "error=http_protocol_error",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					_, _ = conn.Read(make([]byte, 4096))
					fmt.Fprint(conn, answer)
					conn.Close()
				}()
			}
		}()
		s := newSystem(t, nil, func(_ *proxy.Config, service *policy.Service) { service.Upstream = "http://" + l.Addr().String() })
		if r := s.get("/a"); r.status != 502 || !strings.Contains(r.header.Get("Proxy-Status"), want) {
			t.Errorf("%q: %d, %v", answer, r.status, r.header)
		}
		l.Close()
	}
}
