package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
)

func TestRules_KeyOfTheQuery(t *testing.T) {
	for rule, steps := range map[string][][3]string{ // path, what the upstream was asked for, Cache-Status
		"query: none":                {{"/a?x=1", "/a", "stored"}, {"/a?y", "/a", "hit"}, {"/a", "/a", "hit"}, {"/b?x", "/b", "stored"}},
		"query: sort":                {{"/a?b=1&a=2&b=0", "/a?a=2&b=1&b=0", "stored"}, {"/a?b=1&b=0&a=2", "/a?a=2&b=1&b=0", "hit"}, {"/a?b=0&b=1&a=2", "/a?a=2&b=0&b=1", "stored"}},
		"query: {only: [id]}":        {{"/a?utm=1&id=2", "/a?id=2", "stored"}, {"/a?id=2&x", "/a?id=2", "hit"}, {"/a?id=3", "/a?id=3", "stored"}, {"/a?x", "/a", "stored"}},
		"query: {except: ['utm_*']}": {{"/a?utm_x=1&b&a", "/a?b&a", "stored"}, {"/a?b&a&utm_=", "/a?b&a", "hit"}, {"/a?a&b", "/a?a&b", "stored"}},
		"query: all":                 {{"/a?b&&a", "/a?b&&a", "stored"}, {"/a?b&a", "/a?b&a", "stored"}},
	} {
		t.Run(rule, func(t *testing.T) {
			s := newSystem(t, seen("Cache-Control: max-age=60"), ruled(t, "  - key: {"+rule+"}\n"))
			for _, step := range steps {
				s.get(step[0]).expect(t, 200, step[1]+" cookie=[] device=[]", step[2])
			}
			s.do("HEAD", steps[0][0]).expect(t, 200, "", "hit")
		})
	}
}

func TestRules_KeyOfFieldsAndCookies(t *testing.T) {
	s := newSystem(t, seen("Cache-Control: max-age=60"), ruled(t, "  - key: {headers: [X-Device], cookies: [currency, lang]}\n"))
	for _, c := range []struct{ fields, cookie, device, want string }{
		{"Cookie: id=1; currency=EUR", `["currency=EUR"]`, "[]", "stored"},
		{"Cookie: currency=EUR; id=2", `["currency=EUR"]`, "[]", "hit"},
		{"Cookie: id=2", "[]", "[]", "stored"},
		{"", "[]", "[]", "hit"},
		{"Cookie: lang=de; currency=EUR", `["currency=EUR; lang=de"]`, "[]", "stored"},
		{"Cookie: currency=EUR;lang=de", `["currency=EUR; lang=de"]`, "[]", "hit"},
		{"Cookie: lang=de|Cookie: x=y;  currency=EUR ", `["currency=EUR; lang=de"]`, "[]", "hit"},
		{"Cookie: Currency=EUR", "[]", "[]", "hit"},
		{"X-Device: tv", "[]", `["tv"]`, "stored"},
		{"X-Device: tv|Cookie: id=3", "[]", `["tv"]`, "hit"},
		{"X-Device: tv|X-Device: phone", "[]", `["tv, phone"]`, "stored"},
		{"X-Device: tv,phone", "[]", `["tv, phone"]`, "hit"},
		{"X-Device:  ", "[]", `[""]`, "stored"}, // present and empty is not absent
	} {
		var fields []string
		if c.fields != "" {
			fields = strings.Split(c.fields, "|")
		}
		s.get("/a", fields...).expect(t, 200, "/a cookie="+c.cookie+" device="+c.device, c.want)
	}
	s.do("HEAD", "/new", "Cookie: id=1; lang=de").expect(t, 200, "", "fwd=uri-miss")
}

// What Vary says of fields that rules reduce is about what is left of them.
func TestRules_KeyAndVary(t *testing.T) {
	s := newSystem(t, seen("Cache-Control: max-age=60", "Vary: Cookie, X-Other"), ruled(t, "  - key: {cookies: [a]}\n"))
	s.get("/", "Cookie: a=1; b=1").expect(t, 200, `/ cookie=["a=1"] device=[]`, "stored")
	s.get("/", "Cookie: b=2; a=1").expect(t, 200, `/ cookie=["a=1"] device=[]`, "hit")
	s.get("/", "Cookie: b=2; a=1", "X-Other: 1").expect(t, 200, `/ cookie=["a=1"] device=[]`, "vary-miss")
	s.get("/", "Cookie: a=2").expect(t, 200, `/ cookie=["a=2"] device=[]`, "vary-miss")
}

// The attack on keys that leave something out: a request whose unkeyed part makes the upstream answer with what the
// attacker wants, stored under the key of everybody. Here the upstream puts all that it is sent into its response.
func TestRules_WhatIsNotInTheKeyCannotPoison(t *testing.T) {
	reflecting := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("ETag", `"1"`)
		fmt.Fprintf(w, "%s %q", r.RequestURI, r.Header)
	}
	for rule, attacks := range map[string][]string{ // target, then fields
		"query: {only: [id]}":        {"/?id=1&evil", "/?evil&id=1", "/?id=1&%69d=evil", "/?id=1&&evil=&evil", "/?id=1&ID=evil", "/?evil=?id=1&id=1"},
		"query: {except: ['evil*']}": {"/?id=1&evil", "/?evil=1&id=1&evil", "/?evil;=&id=1", "/?&evil&id=1&"},
		"query: none":                {"/?evil", "/??evil", "/?id=1&evil"},
		"cookies: []":                {"/?id=1|Cookie: evil=1", "/?id=1|Cookie: a=b|Cookie: evil"},
		"cookies: [id]":              {"/?id=1|Cookie: evil=1", "/?id=1|Cookie: Id=evil", "/?id=1|Cookie: id2=evil; =evil", "/?id=1|Cookie: x=\"; evil=1\""},
		"headers: [X-Device]":        {"/?id=1|X-Device: evil|Connection: X-Device", "/?id=1|X_Device: evil"},
	} {
		for _, attack := range attacks {
			for _, method := range []string{"GET", "HEAD", "POST"} {
				s := newSystem(t, reflecting, ruled(t, "  - {ttl: 1m, key: {"+rule+"}}\n"))
				parts := strings.Split(attack, "|")
				s.do(method, parts[0], parts[1:]...)
				if r := s.get("/?id=1"); strings.Contains(r.body, "evil") || r.status != 200 {
					t.Errorf("%s: after %s %s everybody is given %s %s", rule, method, attack, r.body, r.header.Get("Cache-Status"))
				}
				s.clock.advance(61e9) // so that the next one revalidates
				s.do(method, parts[0], parts[1:]...)
				if r := s.get("/?id=1"); strings.Contains(r.body, "evil") {
					t.Errorf("%s: after %s %s, which revalidates, everybody is given %s", rule, method, attack, r.body)
				}
			}
		}
	}
}

// Requests that join a fill are given it only if they have the same key.
func TestRules_KeysDoNotMixInOneFill(t *testing.T) {
	begun, release := make(chan struct{}, 10), make(chan struct{})
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-release
		seen("Cache-Control: max-age=60")(w, r)
	}, ruled(t, "  - key: {headers: [X-Device], cookies: [u]}\n"))
	var asked sync.WaitGroup
	for _, who := range []string{"a", "b", "a", "c", "b"} {
		asked.Go(func() {
			s.get("/", "X-Device: "+who, "Cookie: u="+who+"; z=1").expect(t, 200, fmt.Sprintf(`/ cookie=["u=%s"] device=["%s"]`, who, who), "")
		})
	}
	<-begun
	close(release)
	asked.Wait()
	if n := s.fetched.Load(); n != 3 {
		t.Errorf("%d fetches for 3 keys", n)
	}
}

// RFC 9111, 4.4: an unsafe method takes what is stored for its URI, under whatever key.
func TestRules_UnsafeMethodTakesEveryKeyOfTheURI(t *testing.T) {
	s := newSystem(t, seen("Cache-Control: max-age=60"), ruled(t, "  - key: {query: {only: [id]}, headers: [X-Device], cookies: [u]}\n"))
	keys := [][]string{{"X-Device: tv"}, {"X-Device: phone"}, {"Cookie: u=1"}, nil}
	each := func(want string) {
		t.Helper()
		for _, fields := range keys {
			r := s.get("/a?id=1&x", fields...)
			r.expect(t, 200, r.body, want)
		}
	}
	each("stored")
	each("hit")
	// The upstream gets the request as it is.
	s.do("POST", "/a?utm=1&id=1", "Cookie: z=1; u=1").expect(t, 200, `/a?utm=1&id=1 cookie=["z=1; u=1"] device=[]`, "fwd=method")
	each("stored")
	s.do("POST", "/a?id=2")
	each("hit")
}

func TestRules_UnsafeMethodVoidsTheFillOfAnotherQuery(t *testing.T) {
	begun, release := make(chan struct{}, 2), make(chan struct{}, 2)
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			begun <- struct{}{}
			<-release
		}
		seen("Cache-Control: max-age=60")(w, r)
	}, ruled(t, "  - key: {query: none}\n"))
	first := make(chan reply)
	go func() { first <- s.get("/a?x=1") }()
	<-begun
	s.do("POST", "/a?y=2").expect(t, 200, "/a?y=2 cookie=[] device=[]", "fwd=method")
	release <- struct{}{}
	release <- struct{}{}
	<-first
	s.get("/a?z=3").expect(t, 200, "/a cookie=[] device=[]", "stored")
}

// named is what control makes of a purge of these URLs.
func named(t *testing.T, l *ledger, targets ...string) {
	t.Helper()
	p := controllog.Purge{}
	for _, target := range targets {
		path, query, found := strings.Cut(target, "?")
		if found {
			query = "?" + query
		}
		p.URLs = append(p.URLs, controllog.URL{Host: "127.0.0.1", Path: path, Query: query})
	}
	_, scopes, err := p.Scopes()
	if err != nil {
		t.Fatal(err)
	}
	l.purge(invalidation.Hard, scopes...)
}

// G3 for URLs that are kept under less than their query: a purge of any of them reaches it, on each tier.
func TestRules_PurgeOfAURLReachesWhatIsKeptForIt(t *testing.T) {
	rules := func(rule string) option { return ruled(t, "  - {ttl: 1h, key: {"+rule+"}}\n") }
	for _, c := range []struct {
		rule, asked, purged string
		want                bool
	}{
		{"query: {only: [id]}", "/a/b?id=1", "/a/b?utm=2&id=1", true}, {"query: {only: [id]}", "/a/b?id=1&utm=1", "/a/b?id=1", true},
		{"query: {only: [id]}", "/a/b?id=1", "/a/b?id=2&utm=2", false}, {"query: {only: [id]}", "/a/b?id=1", "/a/c?id=1", false},
		{"query: {only: [id]}", "/a/b?id=1", "/a/b", true}, {"query: {only: [id]}", "/a/b?x", "/a/b?a&b&c&d&e&f", true},
		{"query: sort", "/a/b?a=1&b=2", "/a/b?b=2&a=1", true}, {"query: none", "/a/b?x", "/a/b?y", true}, {"query: none", "/a/b", "/a/b?y", true},
		{"query: all", "/a/b?a=1&b=2", "/a/b?b=2&a=1", false}, {"headers: [X-A]", "/a/b?x", "/a/b?x", true},
	} {
		edge, regional, v := newLedger(), newLedger(), &versioned{control: "max-age=60"}
		s := twoLoggedTiers(t, "secret", edge, regional, v.serve, rules(c.rule))
		s.get(c.asked).expect(t, 200, "v0", "edge-1; fwd=uri-miss")
		v.version.Add(1)
		named(t, edge, c.purged)
		named(t, regional, c.purged)
		want := "v0"
		if c.want {
			want = "v1"
		}
		for _, target := range []string{c.asked, c.asked} {
			if r := s.get(target); r.body != want {
				t.Errorf("%s: %s after a purge of %s: %s", c.rule, c.asked, c.purged, r.body)
			}
		}
	}
}

func TestRules_Tags(t *testing.T) {
	l, v := newLedger(), &versioned{control: "max-age=60"}
	s := newLogged(t, l, v.serve, ruled(t, `
  - tags: [site]
  - match: {path: "/img/*"}
    tags: [images, "summer sale"]
`))
	for _, step := range []struct{ tag, path string }{{"images", "/img/1"}, {"summer%20sale", "/img/1"}, {"t", "/img/1"}, {"site", "/other"}} {
		stored := s.get(step.path).body
		l.purge(invalidation.Hard, tag("unrelated"))
		s.get(step.path).expect(t, 200, stored, "hit")
		v.version.Add(1)
		l.purge(invalidation.Hard, invalidation.TagScope("site", step.tag))
		s.get(step.path).expect(t, 200, fmt.Sprint("v", v.version.Load()), "fwd=uri-miss")
	}
	l.purge(invalidation.Hard, invalidation.TagScope("site", "site")) // a later rule's tags take the place of others
	s.get("/img/1").expect(t, 200, "v3", "hit")
}

// A response with many tags of its own is not stored when the rule's would not all be kept.
func TestRules_TagsCountWithThoseOfTheResponse(t *testing.T) {
	var tags strings.Builder
	for i := range 256 {
		fmt.Fprint(&tags, i, " ")
	}
	handle := func(w http.ResponseWriter, _ *http.Request) {
		setLines(w, []string{"Cache-Control: max-age=60", "Surrogate-Key: " + tags.String()})
	}
	newLogged(t, newLedger(), handle).get("/").expect(t, 200, "", "stored")
	newLogged(t, newLedger(), handle, ruled(t, "  - tags: [one more]\n")).get("/").expect(t, 200, "", "detail=too-many-tags")
}

// Two tiers apply the same rules one after the other.
func TestRules_OverTwoTiers(t *testing.T) {
	s := twoLoggedTiers(t, "secret", nil, nil, seen("Cache-Control: no-store"), ruled(t, `
  - {name: forced, ttl: 1m, store: force, key: {query: {except: [utm]}, headers: [X-Device], cookies: [lang]}}
  - {match: {path: "/admin/*"}, bypass: true}
`))
	const body = `/?id=1 cookie=["lang=de"] device=["a, b"]`
	fields := []string{"Cookie: x=1; lang=de", "X-Device: a,b"}
	s.get("/?utm=1&id=1", fields...).expect(t, 200, body, "regional-1; fwd=uri-miss; fwd-status=200; ttl=")
	s.get("/?id=1&utm=2", fields...).expect(t, 200, body, "edge-1; hit")
	s.edgeStore.each(func(string, []byte) []byte { return nil })
	s.get("/?id=1", fields...).expect(t, 200, body, "edge-1; fwd=uri-miss")
	if n := s.fetched.Load(); n != 1 {
		t.Errorf("%d fetches: the regional node looks under another key", n)
	}
	s.get("/admin/x?utm=1", fields...).expect(t, 200, `/admin/x?utm=1 cookie=["x=1; lang=de"] device=["a,b"]`,
		`regional-1; fwd=bypass; fwd-status=200; detail="rules[1]", edge-1; fwd=bypass; fwd-status=200; detail="rules[1]"`)
}

// What a POST has yielded answers a GET only if the upstream was sent for it what a GET of that key sends.
func TestRules_KeyWithoutCookiesAndWhatAPostYields(t *testing.T) {
	yields := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Location", "/a")
		seen("Cache-Control: max-age=60")(w, r)
	}
	s := newSystem(t, yields, ruled(t, "  - key: {cookies: []}\n"))
	s.do("POST", "/a", "Cookie: id=1").expect(t, 200, `/a cookie=["id=1"] device=[]`, "fwd=method")
	s.get("/a", "Cookie: id=2").expect(t, 200, "/a cookie=[] device=[]", "fwd=uri-miss")
	s.get("/a").expect(t, 200, "/a cookie=[] device=[]", "hit")

	s = newSystem(t, yields)
	s.do("POST", "/a", "Cookie: id=1")
	s.get("/a").expect(t, 200, `/a cookie=["id=1"] device=[]`, "hit") // no rule says that cookies do not count
}
