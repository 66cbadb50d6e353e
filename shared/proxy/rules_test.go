package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tiercache/shared/config"
	"tiercache/shared/httpcache"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// ruled gives the service rules, as a document has them.
func ruled(t *testing.T, rules string) option {
	t.Helper()
	var doc struct {
		Rules []policy.Rule `yaml:"rules"`
	}
	if err := config.Decode("rules", []byte("rules:\n"+rules), &doc); err != nil {
		t.Fatal(err)
	}
	return func(_ *proxy.Config, s *policy.Service) { s.Rules = doc.Rules }
}

// seen answers with what the upstream sees of the request that tells clients apart.
func seen(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		setLines(w, lines)
		fmt.Fprintf(w, "%s cookie=%q device=%q", r.RequestURI, r.Header["Cookie"], r.Header["X-Device"])
	}
}

func TestRules_Bypass(t *testing.T) {
	s := newSystem(t, seen("Cache-Control: max-age=60"), ruled(t, `
  - key: {query: none, cookies: []}
    ttl: 1m
  - name: admin
    match: {path: "/admin/*"}
    bypass: true
  - match: {header: {Cookie: "*session=*"}}
    bypass: true
  - match: {query: {preview: "*"}}
    bypass: true
  - match: {path: /admin/logo}
    bypass: false
`))
	for _, c := range []struct{ path, cookie, detail string }{
		{"/admin/x?a=1", "a=b", "rule:admin"}, {"/shop?a=1", "session=1", `"rules[2]"`}, {"/shop?b&preview=1", "", `"rules[3]"`},
	} {
		var fields []string
		want := c.path + " cookie=[]"
		if c.cookie != "" {
			fields, want = []string{"Cookie: " + c.cookie}, fmt.Sprintf("%s cookie=[%q]", c.path, c.cookie)
		}
		for range 2 { // nothing is stored, and the upstream gets the request as it is
			r := s.get(c.path, fields...)
			r.expect(t, 200, want+" device=[]", "edge-1; fwd=bypass; fwd-status=200; detail="+c.detail)
		}
		r := s.get(c.path, append(fields, "Cache-Control: only-if-cached")...)
		r.expect(t, 504, r.body, "only-if-cached")
	}
	s.get("/shop?a=1", "Cookie: a=b").expect(t, 200, "/shop cookie=[] device=[]", "stored")
	s.get("/shop?b", "Cookie: session=1").expect(t, 200, `/shop?b cookie=["session=1"] device=[]`, "fwd=bypass") // nor looked up
	s.get("/admin/logo").expect(t, 200, "/admin/logo cookie=[] device=[]", "stored")
	s.get("/shop?b").expect(t, 200, "/shop cookie=[] device=[]", "hit")
}

// Nobody may store by way of a part, or of a POST, what bypasses.
func TestRules_BypassStoresNothingAside(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Location", r.URL.Path)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(strings.Repeat("x", 5000)))
	}, ruled(t, `
  - match: {path: "/b/*"}
    bypass: true
`))
	for _, c := range []struct{ method, path, field, want string }{
		{"GET", "/a/x", "Range: bytes=1000-1009", "fwd=uri-miss"}, {"GET", "/a/x", "Range: bytes=1000-1009", "hit"}, // what it is about
		{"GET", "/b/x", "Range: bytes=1000-1009", "fwd=bypass"}, {"GET", "/b/x", "Range: bytes=1000-1009", "fwd=bypass"},
		{"POST", "/b/x", "X: y", "fwd=method"}, {"GET", "/b/x", "X: y", "fwd=bypass"},
	} {
		r := s.do(c.method, c.path, c.field)
		r.expect(t, r.status, r.body, c.want)
	}
	for key := range s.store.values {
		if strings.Contains(string(s.store.values[key]), "/b/x") {
			t.Errorf("stored: %.100q", s.store.values[key])
		}
	}
}

func TestRules_CacheStatusNamesTheRule(t *testing.T) {
	var failing atomic.Bool
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if failing.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("ETag", `"1"`)
		switch {
		case r.URL.Path == "/gone":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("If-None-Match") != "":
			w.WriteHeader(http.StatusNotModified)
		case r.URL.Path == "/private":
			w.Header().Set("Cache-Control", "private")
		case r.URL.Path == "/302":
			w.Header().Set("Cache-Control", "max-age=60")
			w.WriteHeader(http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/forced"):
			w.Header().Set("Cache-Control", "no-store")
		}
	}, ruled(t, `
  - name: all
    ttl: 100s
    stale_if_error: 1h
  - negative_ttl: 10s
  - match: {path: "/forced*"}
    name: forced
    store: force
  - match: {path: "/keyed"}
    name: keyed
    key: {query: sort, cookies: []}
`))
	for _, c := range []struct {
		path  string
		later time.Duration
		want  string
	}{
		{"/", 0, "fwd=uri-miss; fwd-status=200; ttl=100; stored; detail=rule:all"},
		{"/", 0, "hit; ttl=100; detail=rule:all"},
		{"/gone", 0, `fwd=uri-miss; fwd-status=404; ttl=10; stored; detail="rules[1]"`},
		{"/gone", 0, `hit; ttl=10; detail="rules[1]"`},
		{"/302", 0, "fwd=uri-miss; fwd-status=302; ttl=60; stored"},
		{"/private", 0, "fwd=uri-miss; fwd-status=200; detail=private"},
		{"/forced", 0, `fwd=uri-miss; fwd-status=200; ttl=100; stored; detail="rule:all rule:forced"`},
		{"/forced", 0, `hit; ttl=100; detail="rule:all rule:forced"`},
		{"/keyed?b&a", 0, `fwd=uri-miss; fwd-status=200; ttl=100; stored; detail="rule:all rule:keyed"`},
		{"/keyed?a&b", 0, `hit; ttl=100; detail="rule:all rule:keyed"`},
		{"/", 101 * time.Second, "fwd=stale; fwd-status=304; ttl=100; stored; detail=rule:all"},
		{"/", -1, "fwd=stale; fwd-status=500; ttl=-1; detail=stale-if-error"},
	} {
		if c.later < 0 {
			failing.Store(true)
			c.later = 101 * time.Second
		}
		s.clock.advance(c.later)
		got := s.get(c.path).header.Get("Cache-Status")
		got = strings.NewReplacer("ttl=99", "ttl=100", "ttl=9;", "ttl=10;", "ttl=59", "ttl=60", "ttl=-2", "ttl=-1").Replace(got)
		if got != "edge-1; "+c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
}

func TestRules_WindowsAndHeuristics(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/old") {
			setLines(w, []string{"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT"})
			return
		}
		setLines(w, []string{"Cache-Control: s-maxage=1, stale-while-revalidate=600"})
	}, ruled(t, `
  - match: {path: "/on/*"}
    s_maxage_stale: true
    heuristics: false
`))
	for path, want := range map[string]string{"/on/old": "fwd=stale", "/off/old": "hit", "/on/s-maxage": "hit; ttl=-", "/off/s-maxage": "fwd=stale"} {
		s.get(path)
		s.clock.advance(5 * time.Second)
		s.get(path).expect(t, 200, "", "edge-1; "+want)
	}
}

func TestRules_RequestDirectives(t *testing.T) {
	var n atomic.Int64
	s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, n.Add(1))
	}, ruled(t, `
  - match: {path: "/obeys/*"}
    request_directives: honour
`))
	s.get("/ignores/").expect(t, 200, "1", "stored")
	s.get("/ignores/", "Cache-Control: no-cache").expect(t, 200, "1", "hit")
	s.get("/obeys/").expect(t, 200, "2", "stored")
	s.get("/obeys/", "Cache-Control: no-cache").expect(t, 200, "3", "fwd=request; fwd-status=200; ttl=")
	s.get("/obeys/").expect(t, 200, "3", "hit")
	s.get("/obeys/", "Cache-Control: max-age=3").expect(t, 200, "3", "hit")
	s.get("/obeys/", "Pragma: no-cache").expect(t, 200, "4", "fwd=request")
	s.get("/obeys/x", "Cache-Control: no-store").expect(t, 200, "5", "detail=request-no-store")
	s.get("/obeys/x").expect(t, 200, "6", "stored")
}

// A client that says no-cache over and over cannot send everything to the upstream.
func TestRules_RequestDirectivesAreRationed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := site(func(*proxy.Request) (int, httpcache.Fields, string) {
			return 200, httpcache.Fields{{Name: "Cache-Control", Value: "max-age=60"}}, "x"
		})
		node := newPair(t, nil, nil, upstream, ruled(t, "  - request_directives: honour\n")).regional
		ask(t.Context(), node, "/")
		forwarded := func() (n int) {
			for range 70 {
				if !strings.Contains(ask(t.Context(), node, "/", "Cache-Control: no-cache").header.Get("Cache-Status"), "hit") {
					n++
				}
			}
			return n
		}
		if n := forwarded(); n != 50 {
			t.Errorf("%d of 70 in one second were forwarded", n)
		}
		if n := node.Stats().DirectivesIgnored.Load(); n != 20 {
			t.Errorf("%d were counted as ignored", n)
		}
		time.Sleep(time.Second) // of the bubble's clock
		if n := forwarded(); n != 50 {
			t.Errorf("%d of 70 in the next second were forwarded", n)
		}
	})
}

// Entries made under rules that decide key or storability are out of reach under others, and in reach again when these
// are rolled back. Rules for other paths, and lifetimes, change nothing.
func TestRules_ChangesPutEntriesOutOfReach(t *testing.T) {
	s := newSystem(t, seen("Cache-Control: max-age=60"))
	activate := func(rules string) {
		t.Helper()
		service := policy.Service{Name: "site", Hosts: []string{"*"}, Upstream: s.upstream.URL}
		ruled(t, rules)(nil, &service)
		set, err := policy.NewSet([]policy.Service{service})
		if err != nil {
			t.Fatal(err)
		}
		s.proxy.SetPolicy(set)
	}
	expect := func(want string) {
		t.Helper()
		r := s.get("/a")
		r.expect(t, 200, r.body, want)
	}
	for _, step := range []struct{ rules, want string }{
		{"  - {ttl: 1m}\n", "stored"},
		{"  - {ttl: 2m, negative_ttl: 1s, stale_if_error: 1h, heuristics: false, request_directives: honour}\n", "hit"},
		{"  - {match: {path: /b}, store: force, ttl: 1m, tags: [a], key: {cookies: []}}\n", "hit"},
		{"  - {key: {query: all, headers: []}, store: default, tags: []}\n", "hit"}, // no more than the defaults
		{"  - {store: force, ttl: 1m}\n", "stored"},
		{"  - {key: {query: sort}}\n", "stored"},
		{"  - {key: {query: {only: [a]}}}\n", "stored"},
		{"  - {key: {query: {except: [a]}}}\n", "stored"},
		{"  - {key: {headers: [X-Device]}}\n", "stored"},
		{"  - {key: {cookies: []}}\n", "stored"},
		{"  - {key: {cookies: [a]}}\n", "stored"},
		{"  - {tags: [a]}\n", "stored"},
		{"  - {ttl: 1m}\n", "hit"},
		{"  - {tags: [a]}\n", "hit"},
	} {
		activate(step.rules)
		expect(step.want)
	}
}
