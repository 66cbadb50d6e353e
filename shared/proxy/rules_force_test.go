package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

const force = `
  - {name: forced, ttl: 1m, negative_ttl: 10s, store: force}
`

func TestRules_ForceStores(t *testing.T) {
	for _, c := range []struct {
		status int
		lines  []string
		detail string // "": stored
	}{
		{200, []string{"Cache-Control: no-store"}, ""}, {200, []string{"Cache-Control: private"}, ""}, {200, []string{"Cache-Control: no-cache"}, ""},
		{200, []string{"Cache-Control: no-cache, no-store, private, max-age=0", "Pragma: no-cache", "Expires: 0"}, ""},
		{200, []string{"Set-Cookie: id=1"}, ""}, {200, nil, ""}, {200, []string{"CDN-Cache-Control: no-store"}, ""},
		{301, []string{"Cache-Control: no-store"}, ""}, {404, []string{"Cache-Control: no-store"}, ""}, {410, []string{"Cache-Control: private"}, ""},
		{200, []string{"Cache-Control: no-store", "Vary: *"}, "vary-star"}, {200, []string{"Cache-Control: no-store", "Vary: X-Forwarded-For"}, "vary-star"},
		{302, []string{"Cache-Control: no-store"}, "no-store"}, {500, []string{"Cache-Control: private"}, "private"}, {302, []string{"Cache-Control: max-age=60", "Set-Cookie: id=1"}, "set-cookie"},
		{405, []string{"Cache-Control: no-store"}, "no-store"}, {414, []string{"Cache-Control: no-store"}, "no-store"}, {501, []string{"Cache-Control: no-store"}, "no-store"},
		{429, []string{"Cache-Control: no-store"}, "status"}, {206, []string{"Cache-Control: no-store", "Content-Range: bytes 0-0/1"}, "partial"},
	} {
		t.Run(fmt.Sprint(c.status, c.lines), func(t *testing.T) {
			s := newSystem(t, answering(c.status, c.lines...), ruled(t, force))
			first, second := s.get("/"), s.get("/")
			if c.detail != "" {
				second.expect(t, c.status, "2", "detail="+c.detail)
				return
			}
			first.expect(t, c.status, "1", "stored; detail=rule:forced")
			second.expect(t, c.status, "1", "edge-1; hit")
			for _, r := range []reply{first, second} {
				if r.header.Get("Set-Cookie") != "" {
					t.Errorf("somebody is given %q", r.header.Get("Set-Cookie"))
				}
			}
			if len(c.lines) > 0 && strings.HasPrefix(c.lines[0], "Cache-Control: ") && second.header.Get("Cache-Control") != c.lines[0][15:] {
				t.Errorf("caches further on are told %q", second.header.Get("Cache-Control"))
			}
		})
	}
}

// A part is never forced, not even as one that is kept for its own sake.
func TestRules_ForceKeepsNoParts(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private")
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(strings.Repeat("x", 5000)))
	}, ruled(t, force))
	for range 2 {
		r := s.get("/", "Range: bytes=4000-4009")
		r.expect(t, 206, r.body, "fwd=uri-miss")
	}
}

// G13: one user's content reaches no other, though the upstream says private and the rule says store.
func TestRules_ForceKeepsUsersApart(t *testing.T) {
	personal := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private, no-store")
		w.Header().Add("Set-Cookie", "session=of "+r.Header.Get("Cookie")+r.Header.Get("Authorization"))
		w.Header().Add("Set-Cookie2", "session=1")
		fmt.Fprintf(w, "hello %s%s", r.Header.Get("Cookie"), r.Header.Get("Authorization"))
	}
	s := newSystem(t, personal, ruled(t, force))
	basic := "Authorization: Basic YWxpY2U="
	check := func(r reply, body, want string, cookies int) {
		t.Helper()
		r.expect(t, 200, body, want)
		if n := len(r.header["Set-Cookie"]) + len(r.header["Set-Cookie2"]); n != cookies {
			t.Errorf("given %d cookies: %v", n, r.header)
		}
	}
	for range 2 { // who shows credentials is known to the upstream: past the cache, both before and after somebody else
		check(s.get("/", basic), "hello Basic YWxpY2U=", "fwd=bypass; fwd-status=200; detail=rule:forced", 2)
	}
	check(s.get("/", "Cookie: user=alice"), "hello ", "stored", 0)
	check(s.get("/", "Cookie: user=bob"), "hello ", "hit", 0)
	check(s.get("/", basic), "hello Basic YWxpY2U=", "fwd=bypass", 2)
	check(s.get("/"), "hello ", "hit", 0)
	s.clock.advance(2 * time.Minute)
	check(s.get("/", basic, "Cookie: user=alice"), "hello user=aliceBasic YWxpY2U=", "fwd=bypass", 2)
	check(s.get("/", "Cookie: user=carol"), "hello ", "stored", 0)
	if s.do("POST", "/", "Cookie: user=alice").body != "hello user=alice" {
		t.Error("an unsafe method is not passed on as it is")
	}
}

// Who waits for another's fill is given no cookies either, nor is who began it.
func TestRules_ForceGivesNoCookiesWhileItStreams(t *testing.T) {
	begun, release := make(chan struct{}, 9), make(chan struct{})
	s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
		begun <- struct{}{}
		<-release
		setLines(w, []string{"Cache-Control: private", "Set-Cookie: id=1"})
	}, ruled(t, force))
	var asked sync.WaitGroup
	for range 3 {
		asked.Go(func() {
			if r := s.get("/"); r.header.Get("Set-Cookie") != "" {
				t.Errorf("%v", r.header)
			}
		})
	}
	<-begun
	close(release)
	asked.Wait()
	if n := s.fetched.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestRules_ForceWithCookiesThatCount(t *testing.T) {
	s := newSystem(t, seen("Cache-Control: private"), ruled(t, `
  - {ttl: 1m, store: force, key: {cookies: [currency]}}
`))
	s.get("/", "Cookie: user=alice; currency=EUR").expect(t, 200, `/ cookie=["currency=EUR"] device=[]`, "stored")
	s.get("/", "Cookie: user=bob; currency=EUR").expect(t, 200, `/ cookie=["currency=EUR"] device=[]`, "hit")
	s.get("/", "Cookie: user=bob; currency=USD").expect(t, 200, `/ cookie=["currency=USD"] device=[]`, "stored")
}

// A 304 repeats what the response said, and freshens it for the operator's ttl all the same.
func TestRules_ForceOutlastsRevalidation(t *testing.T) {
	var conditions atomic.Int64
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		setLines(w, []string{"Cache-Control: no-store, no-cache", `ETag: "1"`, "Set-Cookie: id=1"})
		if r.Header.Get("If-None-Match") != "" {
			conditions.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, "x")
	}, ruled(t, force))
	s.get("/").expect(t, 200, "x", "stored")
	s.get("/").expect(t, 200, "x", "hit")
	s.clock.advance(2 * time.Minute)
	r := s.get("/")
	r.expect(t, 200, "x", "fwd=stale; fwd-status=304; ttl=")
	s.get("/").expect(t, 200, "x", "hit")
	if conditions.Load() != 1 || r.header.Get("Set-Cookie") != "" {
		t.Errorf("%d conditions, %v", conditions.Load(), r.header)
	}
}

// The service may share cookies; what is stored by force has none to share.
func TestRules_ForceBesideAllowSetCookie(t *testing.T) {
	s := newSystem(t, answering(200, "Cache-Control: max-age=60", "Set-Cookie: id=1"), ruled(t, force), func(_ *proxy.Config, s *policy.Service) { s.AllowSetCookie = true })
	for range 2 {
		if r := s.get("/"); r.body != "1" || r.header.Get("Set-Cookie") != "" {
			t.Errorf("%s %v", r.body, r.header)
		}
	}
}
