package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// answering answers each request with that status and those field lines; the body counts the requests.
func answering(status int, lines ...string) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) {
		setLines(w, lines)
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, n.Add(1)) // the client's loss
	}
}

func setLines(w http.ResponseWriter, lines []string) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		w.Header().Add(name, value)
	}
}

// storesCookies is the service's opt-in.
func storesCookies(_ *proxy.Config, s *policy.Service) { s.AllowSetCookie = true }

// RFC 9111, 3 and 5.2.2: what is answered from the store afterwards, and what Cache-Status says when it is not.
func TestHTTP_WhatIsStored(t *testing.T) {
	const fresh = "Cache-Control: max-age=60"
	for _, c := range []struct {
		status int
		lines  []string
		detail string // "": stored
	}{
		{200, []string{fresh}, ""},
		{200, []string{"Cache-Control: no-store, max-age=60"}, "no-store"},
		{200, []string{"Cache-Control: max-age=60", "Cache-Control: NO-STORE"}, "no-store"},
		{200, []string{`Cache-Control: max-age=60, x="no-store"`}, ""},
		{200, []string{"Cache-Control: private, max-age=60"}, "private"},
		{200, []string{"Cache-Control: no-store, must-understand, max-age=60"}, ""},
		{499, []string{"Cache-Control: no-store, must-understand, max-age=60"}, "must-understand"},
		{299, []string{fresh}, ""}, {499, []string{fresh}, ""}, {599, []string{fresh}, ""},
		{404, []string{fresh}, ""}, {302, []string{fresh}, ""}, {302, nil, "no-freshness"},
		{429, []string{fresh}, "status"}, {431, []string{fresh}, "status"}, {412, []string{fresh}, "status"},
		{200, []string{fresh, "Vary: *"}, "vary-star"}, {200, []string{fresh, "Vary: Foo", "Vary: , *"}, "vary-star"},
		{200, []string{fresh, "Set-Cookie: a=b"}, "set-cookie"},
		{200, nil, "no-freshness"},
		{200, []string{"Cache-Control: no-store", "CDN-Cache-Control: max-age=60"}, ""},
		{200, []string{fresh, "CDN-Cache-Control: no-store"}, "no-store"}, {200, []string{fresh, "CDN-Cache-Control: private"}, "private"},
		{200, []string{fresh, "CDN-Cache-Control: no-store, &"}, ""}, {200, []string{fresh, "Other-Cache-Control: no-store"}, ""},
		{200, []string{fresh, "Surrogate-Control: no-store"}, ""},
	} {
		s := newSystem(t, answering(c.status, c.lines...))
		want, body := "stored", "1"
		if c.detail != "" {
			want = "detail=" + c.detail
		}
		s.get("/").expect(t, c.status, body, want)
		if want, body = "hit", "1"; c.detail != "" {
			want, body = "fwd=uri-miss", "2"
		}
		s.get("/").expect(t, c.status, body, want)
	}
}

// RFC 9111, 5.2.2.4: no-cache is stored where it can be validated, and each use asks the upstream.
func TestHTTP_NoCacheIsStoredAndValidated(t *testing.T) {
	for _, field := range []string{"Cache-Control", "CDN-Cache-Control"} {
		s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(field, "no-cache, max-age=60")
			w.Header().Set("ETag", `"v1"`)
			if r.Header.Get("If-None-Match") == `"v1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			fmt.Fprint(w, "x")
		})
		s.get("/").expect(t, 200, "x", "stored")
		for range 3 {
			s.get("/").expect(t, 200, "x", "fwd=stale; fwd-status=304")
		}
		if n := s.fetched.Load(); n != 4 {
			t.Errorf("%s: %d requests upstream, want 4", field, n)
		}
	}
}

// RFC 9111, 5.2.2.4 and 5.2.2.7: fields that no-cache or private name are for the client that they were sent to.
func TestHTTP_NamedFieldsAreWithheld(t *testing.T) {
	for _, control := range []string{`max-age=60, private="X-Me, Set-Cookie"`, `max-age=60, no-cache="x-me,set-cookie"`} {
		handle := answering(200, "Cache-Control: "+control, "X-Me: 1", "Set-Cookie: a=b", "X-All: 3")
		for tiers, s := range map[string]*system{"one tier": newSystem(t, handle), "two tiers": twoTiers(t, "secret", handle)} {
			for _, step := range []struct {
				status, me, cookie string
			}{{"stored", "1", "a=b"}, {"hit", "", ""}} {
				r := s.get("/" + tiers[:3])
				r.expect(t, 200, r.body, step.status)
				if h := r.header; h.Get("X-Me") != step.me || h.Get("Set-Cookie") != step.cookie || h.Get("X-All") != "3" {
					t.Errorf("%s, %s, %s: %v", tiers, control, step.status, h)
				}
			}
			if h := s.do("POST", "/").header; h.Get("X-Me") != "1" || h.Get("Set-Cookie") != "a=b" {
				t.Errorf("%s, %s: a POST yields %v", tiers, control, h)
			}
		}
	}
}

// What waits for another client's fill is not given what belongs to that client.
func TestHTTP_NamedFieldsAreOfTheLeader(t *testing.T) {
	release := make(chan struct{})
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		setLines(w, []string{`Cache-Control: max-age=60, private="X-Me"`, "X-Me: " + r.Header.Get("X-Who")})
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush() // a flush that fails fails the test below
		<-release
	})
	defer close(release)
	for _, step := range []struct{ who, status, me string }{{"leader", "stored", "leader"}, {"waiter", "collapsed", ""}} {
		request, err := http.NewRequest(http.MethodGet, s.url+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Who", step.who)
		response, err := s.client.Do(request) // the head is there before the body's end
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if status := response.Header.Get("Cache-Status"); !strings.Contains(status, step.status) || response.Header.Get("X-Me") != step.me {
			t.Errorf("%s: %v", step.who, response.Header)
		}
	}
}

// A 304 may bring such fields as well.
func TestHTTP_NamedFieldsOfA304(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		setLines(w, []string{`Cache-Control: max-age=1, private="X-Me"`, `ETag: "a"`, "X-Me: " + r.Header.Get("X-Who")})
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
		}
	})
	s.get("/", "X-Who: 1")
	s.clock.advance(5 * time.Second)
	for _, step := range []struct{ status, me string }{{"fwd-status=304", "2"}, {"hit", ""}} {
		r := s.get("/", "X-Who: 2")
		if r.expect(t, 200, "", step.status); r.header.Get("X-Me") != step.me {
			t.Errorf("%s: %v", step.status, r.header)
		}
	}
}

// RFC 9111, 3.5: with Authorization only what says so is shared, and then it is.
func TestHTTP_AuthorizedResponsesThatMayBeShared(t *testing.T) {
	for control, shared := range map[string]bool{
		"max-age=60": false, "max-age=60, proxy-revalidate": false, "public, max-age=60": true, "s-maxage=60": true, "must-revalidate, max-age=60": true,
	} {
		s := newSystem(t, answering(200, "Cache-Control: "+control))
		s.get("/", "Authorization: Bearer a").expect(t, 200, "1", "fwd=uri-miss")
		want, body := "hit", "1"
		if !shared {
			want, body = "detail=authorization", "2"
		}
		s.get("/", "Authorization: Bearer b").expect(t, 200, body, want)
		if !shared {
			s.get("/").expect(t, 200, "3", "stored")
		}
	}
}

// Set-Cookie is stored where the service says so, and then everybody gets it.
func TestHTTP_SetCookieOptedIn(t *testing.T) {
	s := newSystem(t, answering(200, "Cache-Control: max-age=60", "Set-Cookie: a=b"), storesCookies)
	s.get("/").expect(t, 200, "1", "stored")
	r := s.get("/")
	r.expect(t, 200, "1", "hit")
	if r.header.Get("Set-Cookie") != "a=b" {
		t.Errorf("%v", r.header)
	}
}

// RFC 9110, 7.6.1: what is of the connection goes no further, from the upstream or from the store.
func TestHTTP_FieldsOfTheConnection(t *testing.T) {
	s := newSystem(t, answering(200, "Cache-Control: max-age=60", "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: timeout=9", "Proxy-Connection: x",
		"Proxy-Authenticate: Basic", "Upgrade: x", "TE: trailers", "Trailer: X-T", "X-End: 2"))
	for _, want := range []string{"stored", "hit"} {
		r := s.get("/")
		r.expect(t, 200, "1", want)
		for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Upgrade", "TE", "Trailer"} {
			if r.header.Get(name) != "" {
				t.Errorf("%s: %s: %q", want, name, r.header.Get(name))
			}
		}
		if r.header.Get("X-End") != "2" {
			t.Errorf("%s: %v", want, r.header)
		}
	}
}

// RFC 9111, 3: the reply to HEAD or to a method that is not known answers no GET.
func TestHTTP_OtherMethodsAreNotStored(t *testing.T) {
	for _, method := range []string{"HEAD", "OPTIONS", "PUT", "PROPFIND", "QUERY", "FOO", "get"} {
		s := newSystem(t, answering(200, "Cache-Control: public, max-age=60"))
		for range 2 {
			if r := s.do(method, "/"); r.status != 200 || strings.Contains(r.header.Get("Cache-Status"), "hit") {
				t.Errorf("%s: %d %v", method, r.status, r.header)
			}
		}
		s.get("/").expect(t, 200, "3", "fwd=uri-miss")
	}
}

// RFC 9110, 15.2: interim responses are no part of the final one, and are not stored.
func TestHTTP_InterimResponsesAreNotMerged(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.Header().Set("Cache-Control", "max-age=9999")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, "x")
	})
	for _, want := range []string{"stored", "hit"} {
		r := s.get("/")
		r.expect(t, 200, "x", want)
		if r.header.Get("Link") != "" || r.header.Get("Cache-Control") != "max-age=60" {
			t.Errorf("%s: %v", want, r.header)
		}
	}
}

// RFC 9111, 4.2.2: an estimate for statuses that allow one, and never over what the response says.
func TestHTTP_Heuristics(t *testing.T) {
	modified := "Last-Modified: " + time.Now().Add(-1000*time.Second).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		status int
		lines  []string
		hit    bool
	}{
		{200, []string{modified}, true}, {203, []string{modified}, true}, {301, []string{modified}, true}, {308, []string{modified}, true},
		{404, []string{modified}, true}, {405, []string{modified}, true}, {410, []string{modified}, true}, {501, []string{modified}, true},
		{302, []string{modified}, false}, {403, []string{modified}, false}, {503, []string{modified}, false},
		{302, []string{modified, "Cache-Control: public"}, true},
		{200, []string{modified, "Cache-Control: max-age=0"}, false}, {200, []string{modified, "Expires: 0"}, false},
	} {
		s := newSystem(t, answering(c.status, c.lines...))
		s.get("/").expect(t, c.status, "1", "")
		if hit := strings.Contains(s.get("/").header.Get("Cache-Status"), "hit"); hit != c.hit {
			t.Errorf("%d %q: a hit is %t", c.status, c.lines, hit)
		}
		if c.hit {
			s.clock.advance(101 * time.Second)
			if r := s.get("/"); strings.Contains(r.header.Get("Cache-Status"), "hit") {
				t.Errorf("%d %q: fresh for more than a tenth: %v", c.status, c.lines, r.header)
			}
		}
	}
}
