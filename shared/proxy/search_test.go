package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// varying is a site that answers with the target that it was asked for, and with the fields that the test sets.
type varying struct {
	mu     sync.Mutex
	rule   string // No-Vary-Search, a line of it each
	cache  string // Cache-Control
	status int
	asked  []string
	gate   chan struct{} // each response waits for it; nil: none does
}

func (v *varying) set(change func(*varying)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(v)
}

func (v *varying) serve(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	v.asked = append(v.asked, r.Method+" "+r.RequestURI)
	rule, cache, status, gate := v.rule, v.cache, v.status, v.gate
	v.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if rule != "" {
		w.Header()["No-Vary-Search"] = strings.Split(rule, "\n")
	}
	if cache == "" {
		cache = "max-age=60"
	}
	w.Header().Set("Cache-Control", cache)
	if status != 0 {
		w.WriteHeader(status)
	}
	fmt.Fprint(w, r.RequestURI)
}

// expectAsked fails the test unless the site was asked for this since the last time.
func (v *varying) expectAsked(t *testing.T, asked ...string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if !slices.Equal(v.asked, asked) {
		t.Errorf("the site was asked for %q, want %q", v.asked, asked)
	}
	v.asked = nil
}

func TestSearch_OneResponseForAllThatMakesNoDifference(t *testing.T) {
	for rule, c := range map[string]struct{ first, second, same, other string }{
		`params=("utm")`:           {"/?x=1&utm=1", "/?utm=2&x=1", "/?x=1", "/?x=2"},
		`params, except=("x" "a")`: {"/?x=1&z&a=2", "/?x=1&y=2&a=2", "/?x=1&a=2", "/?a=2&x=1"},
		`key-order`:                {"/?b=1&a=2&b=0", "/?b=1&b=0&a=2", "/?a=2&b=1&b=0", "/?a=2&b=0&b=1"},
	} {
		v := &varying{rule: rule}
		s := newSystem(t, v.serve)
		s.get(c.first).expect(t, 200, c.first, "stored")
		s.get(c.second).expect(t, 200, c.same, "stored")
		s.get(c.same).expect(t, 200, c.same, "hit")
		s.get(c.first).expect(t, 200, c.same, "hit")
		s.get(c.other).expect(t, 200, c.other, "fwd=uri-miss")
	}
}

// An excluded parameter must not change what is stored for others, whoever comes first with it and however it is
// spelled.
func TestSearch_AttackerChoosesAnExcludedParameter(t *testing.T) {
	for _, evil := range []string{"/?utm=%3Cscript%3E", "/?x=1&u%74m=evil", "/?utm=evil&x=1&utm=2", "/?utm=evil", "/?" + strings.Repeat("utm=evil&", 70)} {
		v := &varying{rule: `params=("utm")`}
		s := newSystem(t, v.serve)
		for range 2 {
			s.get(evil)
			for _, other := range []string{"/", "/?utm=1", "/?x=1", "/?x=1&utm=1", "/?utm=&x=1", "/?"} {
				if r := s.get(other); r.status != 200 || strings.Contains(r.body, "evil") || strings.Contains(r.body, "script") {
					t.Errorf("%.40s comes before %s: %.60q %q", evil, other, r.body, r.header["Cache-Status"])
				}
			}
		}
	}
}

// What was stored before the path had a rule says nothing of others.
func TestSearch_AnOlderResponseIsForItsOwnURL(t *testing.T) {
	v := &varying{}
	s := newSystem(t, v.serve)
	s.get("/a").expect(t, 200, "/a", "stored")
	v.set(func(v *varying) { v.rule = `params=("utm")` })
	s.get("/a?utm=1").expect(t, 200, "/a?utm=1", "stored")
	s.get("/a?utm=2").expect(t, 200, "/a?utm=2", "stored")
	s.get("/a").expect(t, 200, "/a", "hit")
	s.clock.advance(70 * time.Second)
	s.get("/a").expect(t, 200, "/a", "stored")
	s.get("/a?utm=3").expect(t, 200, "/a", "hit")
}

// What is stored under the target that the path's rule makes is given to nobody else unless it says, line by line, what
// the rule was learnt from.
func TestSearch_AResponseWithOtherLinesIsForItsOwnURL(t *testing.T) {
	const utm = `params=("utm")`
	for name, c := range map[string]struct {
		stored, learnt string
		status         string
	}{
		"the same":             {utm + "\nkey-order=?0", utm + "\nkey-order=?0", "hit"},
		"one that contradicts": {`params=("other")`, utm, "fwd=uri-miss"},
		"a line more":          {utm + "\n" + `params=("other")`, utm, "fwd=uri-miss"},
		"a line less":          {`params=("other")`, `params=("other")` + "\n" + utm, "fwd=uri-miss"},
	} {
		t.Run(name, func(t *testing.T) {
			v := &varying{rule: c.stored}
			s := newSystem(t, v.serve)
			s.get("/a?x=1").expect(t, 200, "/a?x=1", "stored")
			v.set(func(v *varying) { v.rule = c.learnt })
			s.get("/a?x=2").expect(t, 200, "/a?x=2", "stored")
			want := "/a?x=1"
			if c.status != "hit" {
				want += "&utm=1"
			}
			s.get("/a?x=1&utm=1").expect(t, 200, want, c.status)
		})
	}
}

// A later response replaces the rule: each request is given one of its own URL where that does not say otherwise.
func TestSearch_ARuleThatIsTakenBack(t *testing.T) {
	for name, now := range map[string]string{"none": "", "another": `params=("other")`, "bad": `params=utm`} {
		t.Run(name, func(t *testing.T) {
			v := &varying{rule: `params=("utm")`}
			s := newSystem(t, v.serve)
			s.get("/a?utm=1")
			s.get("/a?utm=2").expect(t, 200, "/a", "stored")
			v.expectAsked(t, "GET /a?utm=1", "GET /a")
			v.set(func(v *varying) { v.rule = now })
			s.clock.advance(70 * time.Second)
			s.get("/a?utm=3").expect(t, 200, "/a?utm=3", "stored")
			v.expectAsked(t, "GET /a", "GET /a?utm=3")
			s.get("/a?utm=4").expect(t, 200, "/a?utm=4", "stored")
			v.expectAsked(t, "GET /a?utm=4")
		})
	}
}

func TestSearch_WhoWaitsForAResponseThatTakesTheRuleBack(t *testing.T) {
	v := &varying{rule: `params=("utm")`}
	s := newSystem(t, v.serve)
	s.get("/a?utm=1")
	gate := make(chan struct{})
	v.set(func(v *varying) { v.rule, v.gate = "", gate })
	var group sync.WaitGroup
	for _, target := range []string{"/a?utm=2", "/a?utm=3", "/a"} {
		group.Go(func() {
			if r := s.get(target); r.body != target || r.status != 200 {
				t.Errorf("%s: %d %q", target, r.status, r.body)
			}
		})
	}
	close(gate)
	group.Wait()
}

// What may not be stored teaches nothing and is judged by what it says itself. An upstream that fails is not asked
// again.
func TestSearch_WhatIsNotStored(t *testing.T) {
	v := &varying{rule: `params=("utm")`}
	s := newSystem(t, v.serve)
	s.get("/a?utm=1")
	v.expectAsked(t, "GET /a?utm=1")
	v.set(func(v *varying) { v.cache = "private" })
	s.get("/a?utm=2").expect(t, 200, "/a", "detail=private")
	v.expectAsked(t, "GET /a")
	v.set(func(v *varying) { v.rule = "" })
	s.get("/a?utm=2").expect(t, 200, "/a?utm=2", "detail=private")
	v.expectAsked(t, "GET /a", "GET /a?utm=2")
	v.set(func(v *varying) { v.status = 503 })
	s.get("/a?utm=2").expect(t, 503, "/a", "fwd-status=503")
	v.expectAsked(t, "GET /a")
	v.set(func(v *varying) { v.rule, v.cache, v.status = `params=("utm")`, "no-store", 0 })
	s.get("/b?utm=1")
	s.get("/b?utm=2").expect(t, 200, "/b?utm=2", "detail=no-store")
}

func TestSearch_WhatPassesByTheCacheKeepsItsTarget(t *testing.T) {
	v := &varying{rule: `params=("utm")`}
	s := newSystem(t, v.serve)
	s.get("/a?utm=1")
	v.expectAsked(t, "GET /a?utm=1")
	s.do("HEAD", "/a?utm=2")
	s.get("/a?utm=2", "If-Match: *")
	s.do("POST", "/a?utm=2")
	s.do("OPTIONS", "/a?utm=2")
	s.get("/a?utm=2", "Range: bytes=2-3").expect(t, 200, "/a?utm=2", "fwd=uri-miss")
	v.expectAsked(t, "HEAD /a?utm=2", "GET /a?utm=2", "POST /a?utm=2", "OPTIONS /a?utm=2", "GET /a?utm=2")
}

func TestSearch_OfOneSchemeHostAndPath(t *testing.T) {
	v := &varying{rule: `params=("utm")`}
	s := newSystem(t, v.serve)
	s.get("/a?utm=1")
	s.get("/b?utm=2").expect(t, 200, "/b?utm=2", "stored")
	s.get("/a?utm=2", "Host: site.example").expect(t, 200, "/a?utm=2", "stored")
	s.get("/a?utm=3").expect(t, 200, "/a", "stored")
}

// What the operator says of queries comes before what the site says.
func TestSearch_TheOperatorsRuleComesFirst(t *testing.T) {
	v := &varying{rule: `params`}
	s := newSystem(t, v.serve, func(_ *proxy.Config, service *policy.Service) {
		service.Rules = []policy.Rule{{Key: policy.Key{Query: &policy.Query{Except: []string{"utm"}}}}}
	})
	s.get("/a?x=1&utm=1").expect(t, 200, "/a?x=1", "stored")
	s.get("/a?x=2&utm=1").expect(t, 200, "/a?x=2", "stored")
}

// A purge of any URL reaches what is given to it, and what an unsafe method changes is gone under all of its names.
func TestSearch_PurgesAndUnsafeMethodsReachIt(t *testing.T) {
	l := newLedger()
	v := &varying{rule: `params=("utm")`}
	s := newLogged(t, l, v.serve)
	warm := func() {
		s.get("/a?x=1&utm=1")
		s.get("/a?x=1&utm=2")
		s.get("/a?x=1&utm=3").expect(t, 200, "/a?x=1", "hit")
	}
	for _, query := range []string{"", "?x=1", "?x=1&utm=7", "?utm=8&x=1", "?a&b&c&d&e&f&x=1"} {
		warm()
		purge := controllog.Purge{URLs: []controllog.URL{{Host: "127.0.0.1", Path: "/a", Query: query}}}
		_, scopes, err := purge.Scopes()
		if err != nil {
			t.Fatal(err)
		}
		l.purge(invalidation.Hard, scopes...)
		s.get("/a?utm=4&x=1").expect(t, 200, "/a?x=1", "fwd=uri-miss")
	}
	warm()
	_, scopes, _ := (&controllog.Purge{URLs: []controllog.URL{{Host: "127.0.0.1", Path: "/a", Query: "?x=2"}}}).Scopes()
	l.purge(invalidation.Hard, scopes...)
	s.get("/a?utm=4&x=1").expect(t, 200, "/a?x=1", "hit")
	s.do("POST", "/a?utm=5&x=1")
	s.get("/a?utm=4&x=1").expect(t, 200, "/a?x=1", "fwd=uri-miss")
}

// A 304 that brings a rule makes the response one for many, which purges must know.
func TestSearch_A304ThatBringsTheRule(t *testing.T) {
	l := newLedger()
	s := newLogged(t, l, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") != "" {
			w.Header().Set("No-Vary-Search", `params=("utm")`)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, r.RequestURI)
	})
	s.get("/a?x=1")
	s.clock.advance(70 * time.Second)
	s.get("/a?x=1").expect(t, 200, "/a?x=1", "fwd-status=304")
	s.get("/a?x=1&utm=1").expect(t, 200, "/a?x=1", "hit")
	_, scopes, _ := (&controllog.Purge{URLs: []controllog.URL{{Host: "127.0.0.1", Path: "/a", Query: "?x=1&utm=1"}}}).Scopes()
	l.purge(invalidation.Hard, scopes...)
	s.get("/a?x=1&utm=1").expect(t, 200, "/a?x=1&utm=1", "fwd=uri-miss; fwd-status=200") // a whole response that says nothing of queries
}

func TestSearch_TwoTiers(t *testing.T) {
	v := &varying{rule: `params=("utm")`}
	s := twoTiers(t, "secret", v.serve)
	s.get("/a?utm=1").expect(t, 200, "/a?utm=1", "edge-1; fwd=uri-miss")
	s.get("/a?utm=2").expect(t, 200, "/a", "edge-1; fwd=uri-miss")
	r := s.get("/a?utm=3")
	r.expect(t, 200, "/a", "edge-1; hit")
	if r.header.Get("No-Vary-Search") == "" {
		t.Error("the client, which has a cache too, is not told")
	}
	v.expectAsked(t, "GET /a?utm=1", "GET /a")
}
