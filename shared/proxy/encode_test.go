package proxy_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/shared/object"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

func compresses(_ *proxy.Config, s *policy.Service) { s.Compress = []string{"br", "gzip"} }

// page is text that does not compress to nothing.
func page(n int) string { return "<html>" + content(n) }

func gunzip(t *testing.T, body string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func TestEncode_OncePerVariantAndStored(t *testing.T) {
	for name, size := range sizes() {
		t.Run(name, func(t *testing.T) {
			body := page(size)
			digest := sha256.Sum256([]byte(body))
			var mu sync.Mutex
			var asked []string
			s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				asked = append(asked, r.Header.Get("Accept-Encoding"))
				mu.Unlock()
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				w.Header().Set("ETag", `"v1"`)
				w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(digest[:])+":")
				if r.Header.Get("If-None-Match") == `W/"v1"` {
					w.WriteHeader(http.StatusNotModified)
					return
				}
				_, _ = io.WriteString(w, body)
			}, compresses)
			for _, status := range []string{"fwd=uri-miss", "hit", "fwd=stale; fwd-status=304", "hit"} {
				r := s.get("/a", "Accept-Encoding: gzip, deflate")
				if gunzip(t, r.body) != body || r.status != 200 || !strings.Contains(r.header.Get("Cache-Status"), status) || len(r.body) > size*6/10+200 {
					t.Fatalf("%s: %d, %d bytes of %d, %v", status, r.status, len(r.body), size, r.header)
				}
				if r.header.Get("Content-Encoding") != "gzip" || r.header.Get("ETag") != `W/"v1"` || r.header.Get("Vary") != "Accept-Encoding" || r.header.Get("Repr-Digest") != "" {
					t.Errorf("%s: %v", status, r.header)
				}
				if status == "hit" {
					s.clock.advance(61 * time.Second)
				}
			}
			s.get("/a", "Accept-Encoding: gzip", `If-None-Match: W/"v1"`).expect(t, 304, "", "edge-1; ")
			if r := s.get("/a", "Accept-Encoding: gzip;q=0.5, br"); r.header.Get("Content-Encoding") != "br" || !strings.Contains(r.header.Get("Cache-Status"), "fwd=vary-miss") {
				t.Errorf("%v", r.header)
			}
			for _, accept := range []string{"Accept-Encoding: deflate", "Accept-Encoding: gzip;q=0", "Accept: x"} {
				r := s.get("/a", accept)
				r.expect(t, 200, body, "edge-1; ")
				if r.header.Get("Content-Encoding") != "" || r.header.Get("Vary") != "Accept-Encoding" || r.header.Get("ETag") != `"v1"` {
					t.Errorf("%s: %v", accept, r.header)
				}
			}
			if r := s.get("/a", "Accept-Encoding: gzip, deflate"); gunzip(t, r.body) != body {
				t.Error("the variant is gone")
			}
			mu.Lock()
			defer mu.Unlock()
			for _, a := range asked {
				if a != "gzip" && a != "br" && a != "identity" {
					t.Errorf("the upstream was asked for %q", a)
				}
			}
		})
	}
}

func TestEncode_LeavesAlone(t *testing.T) {
	body := page(5000)
	for name, change := range map[string]func(http.Header){
		"encoded":      func(h http.Header) { h.Set("Content-Encoding", "zstd") },
		"no-transform": func(h http.Header) { h.Set("Cache-Control", "max-age=60, no-transform") },
		"an image":     func(h http.Header) { h.Set("Content-Type", "image/png") },
		"a stream":     func(h http.Header) { h.Set("Content-Type", "text/event-stream") },
		"private":      func(h http.Header) { h.Set("Cache-Control", "private") },
	} {
		s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Type", "text/html")
			change(w.Header())
			_, _ = io.WriteString(w, body)
		}, compresses)
		for range 2 {
			if r := s.get("/a", "Accept-Encoding: gzip, br"); r.body != body || r.header.Get("Vary") != "" {
				t.Errorf("%s: %d bytes, %v", name, len(r.body), r.header)
			}
		}
	}
	s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "short")
	}, compresses)
	s.get("/a", "Accept-Encoding: gzip").expect(t, 200, "short", "fwd=uri-miss")
	off := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, r.Header.Get("Accept-Encoding"))
	})
	off.get("/a", "Accept-Encoding: zz, gzip").expect(t, 200, "gzip, zz", "fwd=")
}

// G11: a body that is cut, or has not the promised digest, is never made into a whole one by encoding it.
func TestEncode_BrokenBodies(t *testing.T) {
	body := page(2 * object.SegmentSize)
	for name, serve := range map[string]http.HandlerFunc{
		"short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)+10))
			_, _ = io.WriteString(w, body)
		},
		"chunks end early": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, body)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"wrong digest": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(make([]byte, 32))+":")
			_, _ = io.WriteString(w, body)
		},
	} {
		s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Type", "text/html")
			serve(w, r)
		}, compresses)
		for range 2 {
			r := s.get("/a", "Accept-Encoding: gzip")
			if r.err == nil || strings.Contains(r.header.Get("Cache-Status"), "hit") {
				t.Errorf("%s: %d bytes as a whole, %v", name, len(r.body), r.header)
			}
		}
	}
}
