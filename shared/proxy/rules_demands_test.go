package proxy_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// RFC 9111, 5.2.1 and RFC 5861, 4: what a client asks for by min-fresh, max-stale and stale-if-error, where a rule honours
// it.
func TestRules_RequestDirectivesAboutStaleness(t *testing.T) {
	var n atomic.Int64
	var failing atomic.Bool
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if failing.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Cache-Control", "max-age=60")
		if r.URL.Path == "/strict" {
			w.Header().Add("Cache-Control", "must-revalidate")
		}
		fmt.Fprint(w, n.Add(1))
	}, ruled(t, "  - request_directives: honour\n"))
	for _, c := range []struct {
		later       time.Duration
		path, field string
		failing     bool
		status      int
		body, says  string
	}{
		{0, "/", "", false, 200, "1", "stored"},
		{0, "/strict", "", false, 200, "2", "stored"},
		{10 * time.Second, "/", "min-fresh=30", false, 200, "1", "hit"},
		{0, "/", "min-fresh=58", false, 200, "3", "fwd=request"},
		{70 * time.Second, "/", "max-stale=30", false, 200, "3", "hit; ttl=-1"},
		{0, "/", "max-stale", false, 200, "3", "hit; ttl=-1"},
		{0, "/", "only-if-cached, max-stale", false, 200, "3", "hit; ttl=-1"},
		{0, "/strict", "max-stale", true, 502, "", "fwd=stale; fwd-status=502"},
		{0, "/", "", true, 502, "", "fwd=stale; fwd-status=502"},
		{0, "/", "stale-if-error=30", true, 200, "3", "detail=stale-if-error"},
		{0, "/strict", "stale-if-error=300", true, 502, "", "fwd=stale; fwd-status=502"},
		{0, "/", "max-stale=5", false, 200, "4", "fwd=stale; fwd-status=200"},
	} {
		s.clock.advance(c.later)
		failing.Store(c.failing)
		var fields []string
		if c.field != "" {
			fields = []string{"Cache-Control: " + c.field}
		}
		s.get(c.path, fields...).expect(t, c.status, c.body, c.says)
	}
}
