package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// breaking answers with control and "x" until status is set, then with that status; a negative one closes the connection.
func breaking(control string) (handle http.HandlerFunc, status *atomic.Int64) {
	status = &atomic.Int64{}
	return func(w http.ResponseWriter, _ *http.Request) {
		switch n := status.Load(); {
		case n < 0:
			panic(http.ErrAbortHandler)
		case n > 0:
			w.WriteHeader(int(n))
		default:
			w.Header().Set("Cache-Control", control)
			w.Header().Set("ETag", `"v1"`)
			fmt.Fprint(w, "x")
		}
	}, status
}

// RFC 9111, 4.2.4, 5.2.2.2, 5.2.2.8, 5.2.2.10 and 5.2.2.4: what forbids stale use forbids it against all that asks for it.
func TestHTTP_StaleUseThatIsForbidden(t *testing.T) {
	for _, control := range []string{"max-age=2, must-revalidate", "max-age=2, proxy-revalidate", "s-maxage=2", "max-age=2, no-cache"} {
		handle, status := breaking(control + ", stale-while-revalidate=600, stale-if-error=600")
		s := newSystem(t, handle)
		s.get("/").expect(t, 200, "x", "stored")
		s.clock.advance(3 * time.Second)
		status.Store(503)
		s.get("/", "Cache-Control: max-stale").expect(t, 503, "", "fwd=stale; fwd-status=503")
		status.Store(-1)
		r := s.get("/", "Cache-Control: max-stale=1000, stale-if-error=1000")
		if r.status != http.StatusGatewayTimeout || r.header.Get("Proxy-Status") != "edge-1; error=destination_unavailable" {
			t.Errorf("%s: %d %v", control, r.status, r.header)
		}
	}
}

// RFC 5861, 4: stale-if-error stands in for 500, 502, 503, 504 and for no response at all, within its window.
func TestHTTP_StaleIfErrorStatuses(t *testing.T) {
	for n, stale := range map[int64]bool{500: true, 502: true, 503: true, 504: true, -1: true, 404: false, 400: false, 501: false, 505: false, 599: false} {
		handle, status := breaking("max-age=2, stale-if-error=10")
		s := newSystem(t, handle)
		s.get("/").expect(t, 200, "x", "stored")
		status.Store(n)
		s.clock.advance(11 * time.Second)
		if r := s.get("/"); (r.body == "x") != stale || stale && !strings.Contains(r.header.Get("Cache-Status"), "detail=stale-if-error") {
			t.Errorf("%d: %d %q %v", n, r.status, r.body, r.header)
		}
		s.clock.advance(2 * time.Second)
		if r := s.get("/"); r.body == "x" {
			t.Errorf("%d: beyond the window: %d %v", n, r.status, r.header)
		}
	}
}

// RFC 5861, 3: beyond its window stale-while-revalidate makes a request wait for what is new.
func TestHTTP_StaleWhileRevalidateEnds(t *testing.T) {
	s := newSystem(t, answering(200, "Cache-Control: max-age=10, stale-while-revalidate=60"))
	s.get("/").expect(t, 200, "1", "stored")
	s.clock.advance(71 * time.Second)
	s.get("/").expect(t, 200, "2", "fwd=stale; fwd-status=200")
}

// RFC 9111, 5.2.1 and 5.4: what clients say of freshness is ignored, so that none sends its requests past the cache.
func TestHTTP_RequestDirectivesAreIgnored(t *testing.T) {
	s := newSystem(t, answering(200, "Cache-Control: max-age=60"))
	s.get("/", "Cache-Control: no-store").expect(t, 200, "1", "stored")
	s.clock.advance(10 * time.Second)
	for _, line := range []string{
		"Cache-Control: no-cache", "Cache-Control: no-store", "Cache-Control: max-age=0", "Cache-Control: min-fresh=59", "Pragma: no-cache", "Cache-Control: only-if-cached",
	} {
		s.get("/", line).expect(t, 200, "1", "hit; ttl=")
	}
	s.clock.advance(51 * time.Second)
	s.get("/", "Cache-Control: only-if-cached, max-stale").expect(t, 504, "only-if-cached, and nothing usable is stored\n", "edge-1")
	s.get("/", "Cache-Control: max-stale").expect(t, 200, "2", "fwd=stale")
}

// RFC 9111, 5.2.1.7: only-if-cached never reaches the upstream.
func TestHTTP_OnlyIfCachedIsNotForwarded(t *testing.T) {
	s := newSystem(t, answering(200, "Cache-Control: max-age=60"))
	for _, method := range []string{"GET", "HEAD"} {
		r := s.do(method, "/", "Cache-Control: only-if-cached")
		if r.status != http.StatusGatewayTimeout || r.header.Get("Proxy-Status") == "" || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", method, r.status, r.header)
		}
	}
	if n := s.fetched.Load(); n != 0 {
		t.Errorf("%d requests upstream", n)
	}
}

// RFC 9111, 5.1 and RFC 9110, 6.6.1: Age grows from what was received, and Date stays what the origin said.
func TestHTTP_AgeAndDate(t *testing.T) {
	for _, c := range []struct {
		age   string
		first string
		hit   bool // 10 s later, of 60
		then  string
	}{
		{"", "0", true, "10"}, {"20", "20", true, "30"}, {"55", "55", false, ""}, {"20, 55", "20", true, "30"}, {"20.5", "0", true, "10"},
		{"-55", "0", true, "10"}, {"abc", "0", true, "10"}, {"20;a=b", "0", true, "10"},
	} {
		var lines []string
		if c.age != "" {
			lines = []string{"Age: " + c.age}
		}
		s := newSystem(t, answering(200, append(lines, "Cache-Control: max-age=60")...))
		first := s.get("/")
		if first.expect(t, 200, "1", "stored"); first.header.Get("Age") != c.first {
			t.Errorf("Age: %s: %q at first", c.age, first.header.Get("Age"))
		}
		s.clock.advance(10 * time.Second)
		r := s.get("/")
		if hit := strings.Contains(r.header.Get("Cache-Status"), "hit"); hit != c.hit {
			t.Errorf("Age: %s: %v", c.age, r.header)
		}
		if c.hit && (r.header.Get("Age") != c.then || r.header.Get("Date") != first.header.Get("Date")) {
			t.Errorf("Age: %s: %v", c.age, r.header)
		}
	}
}

// RFC 9111, 4.2.1 and RFC 8246: which statement of freshness counts; immutable is none.
func TestHTTP_FreshnessThatCounts(t *testing.T) {
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for _, c := range []struct {
		lines []string
		want  int // s
	}{
		{[]string{"CDN-Cache-Control: max-age=10", "Cache-Control: s-maxage=20, max-age=30"}, 10},
		{[]string{"CDN-Cache-Control: max-age=40", "Cache-Control: no-store", "Expires: 0"}, 40},
		{[]string{`CDN-Cache-Control: max-age="10"`, "Cache-Control: s-maxage=20, max-age=30"}, 20},
		{[]string{"Cache-Control: MAX-AGE=30", "Expires: " + at(time.Hour)}, 30},
		{[]string{"Expires: " + at(time.Minute)}, 60},
		{[]string{"Cache-Control: max-age=10, immutable"}, 10},
		{[]string{"Cache-Control: max-age=99999999999"}, 1 << 31},
	} {
		s := newSystem(t, answering(200, append(c.lines, "X: y")...))
		s.get("/").expect(t, 200, "1", "stored")
		s.clock.advance(time.Duration(c.want-5) * time.Second)
		s.get("/").expect(t, 200, "1", "hit")
		s.clock.advance(10 * time.Second)
		s.get("/").expect(t, 200, "2", "fwd=stale")
	}
}
