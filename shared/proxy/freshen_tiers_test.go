package proxy_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// RFC 9111, 3.2: what a 304 changes reaches the edge through the regional node's 304.
func TestFreshen_MetadataReachesTheEdge(t *testing.T) {
	var language atomic.Value
	language.Store("en")
	s := twoTiers(t, "secret", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Language", language.Load().(string)) // net/http sends no Content-Type with a 304
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, "hello")
	})
	s.get("/a").expect(t, 200, "hello", "edge-1; fwd=uri-miss")
	language.Store("en-GB")
	s.clock.advance(61 * time.Second)
	r := s.get("/a")
	r.expect(t, 200, "hello", "edge-1; fwd=stale; fwd-status=304")
	if got := r.header.Get("Content-Language"); got != "en-GB" {
		t.Errorf("Content-Language is %q", got)
	}
	if r := s.get("/a", `If-None-Match: "v1"`); r.status != 304 || r.header.Get("Content-Language") != "" {
		t.Errorf("a client's 304: %d, %v", r.status, r.header)
	}
}
