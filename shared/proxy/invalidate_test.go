package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// RFC 9111, 4.4: the URI of the request, and those of Location and Content-Location that are of the same origin.
func TestInvalidate_WhatTheResponseToAnUnsafeMethodNames(t *testing.T) {
	var answer atomic.Pointer[http.HandlerFunc]
	var version atomic.Int64
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			(*answer.Load())(w, r)
			return
		}
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprintf(w, "%s %d", r.URL.Path, version.Load())
	})
	authority := strings.TrimPrefix(s.url, "http://")
	for _, c := range []struct {
		method, location, content string
		status                    int
		gone                      string
	}{
		{"POST", "/b", "/c", 201, "/a /b /c"},
		{"PUT", "http://" + authority + "/b", "c", 200, "/a /b /c"},
		{"DELETE", "", "", 204, "/a"},
		{"M-SEARCH", "/b", "", 303, "/a /b"},
		{"PATCH", "http://other.example/b", "//" + authority + "/c", 200, "/a /c"},
		{"POST", "https://" + authority + "/b", "http://127.0.0.1:1/c", 200, "/a"},
		{"POST", "/b", "/c", 400, ""},
		{"PUT", "/b", "/c", 503, ""},
		{"OPTIONS", "/b", "/c", 200, ""},
	} {
		handle := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.location != "" {
				w.Header().Set("Location", c.location)
			}
			if c.content != "" {
				w.Header().Set("Content-Location", c.content)
			}
			w.WriteHeader(c.status)
		})
		answer.Store(&handle)
		var kept []string
		for _, path := range []string{"/a", "/b", "/c"} {
			s.get(path)
			kept = append(kept, s.get(path).body)
		}
		version.Add(1)
		if r := s.do(c.method, "/a"); r.status != c.status {
			t.Fatalf("%s: %d", c.method, r.status)
		}
		var gone []string
		for i, path := range []string{"/a", "/b", "/c"} {
			if s.get(path).body != kept[i] {
				gone = append(gone, path)
			}
		}
		if got := strings.Join(gone, " "); got != c.gone {
			t.Errorf("%s, %d, %q and %q: %q gone, want %q", c.method, c.status, c.location, c.content, got, c.gone)
		}
	}
}

// An unsafe method that comes while what a fill has yielded is being stored finds nothing to remove.
func TestInvalidate_WhileAFillIsStored(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, r.Method)
	})
	overtaken := false
	s.store.onStore(func() {
		s.do("PUT", "/a")
		overtaken = true
	})
	s.get("/a").expect(t, 200, "GET", "fwd=uri-miss")
	if !overtaken {
		t.Fatal("nothing was stored")
	}
	s.get("/a").expect(t, 200, "GET", "fwd=uri-miss")
	s.get("/a").expect(t, 200, "GET", "hit")
}
