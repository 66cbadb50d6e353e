package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What the upstream is sent of the fields that select a response is what the key has of them. So by a value that servers
// read differently nobody chooses what those are given that send a plain one.
func TestAttack_OddValuesOfSelectingFields(t *testing.T) {
	last := func(list string) string { // as a server that takes the last of names that are there twice
		weights := map[string]string{}
		for member := range strings.SplitSeq(strings.ReplaceAll(strings.ToLower(list), " ", ""), ",") {
			name, weight, _ := strings.Cut(member, ";q=")
			weights[name] = weight
		}
		return fmt.Sprint(weights)
	}
	for _, c := range []struct{ name, odd, plain string }{
		{"Accept-Language", "en-US,en;q=0.5,en-US;q=0,en;q=0", "en-US,en;q=0.5"},
		{"Accept-Language", "de,fr", "fr,de"},
		{"Accept-Encoding", "gzip,br,gzip;q=0", "gzip,br"},
		{"X-Foo", "a|b", "a, b"}, {"Accept-Language", "en;q=0.5|en-us", "en-us, en;q=0.5"}, {"Cookie", "a=1,2", "a=1, 2"}, {"Cookie", "a=1|b=2", "a=1; b=2"},
	} {
		s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
			setLines(w, []string{"Cache-Control: max-age=60", "Vary: " + c.name})
			lines := r.Header.Values(c.name)
			first, _, _ := strings.Cut(lines[0], ",")
			fmt.Fprint(w, first, lines[0], last(lines[0])) // of several lines the first
		})
		var fields []string
		for line := range strings.SplitSeq(c.odd, "|") {
			fields = append(fields, c.name+": "+line)
		}
		alone := s.get("/alone", c.name+": "+c.plain).body
		s.get("/attacked", fields...)
		if r := s.get("/attacked", c.name+": "+c.plain); r.body != alone {
			t.Errorf("%s: %s: after %s it is %s, without %s", c.name, c.plain, c.odd, r.body, alone)
		}
	}
}

// Fields by which frameworks are told another host, path, scheme or client reach no upstream.
func TestAttack_FieldsThatOverrideTheRequest(t *testing.T) {
	names := []string{
		"X-Http-Host-Override", "X-Forwarded", "x-forwarded-server", "X-Real-Ip", "True-Client-Ip", "X-Original-Uri", "X-Rewrite-Url", "X-Scheme", "Proxy", "X_Forwarded_Host",
		"X-Envoy-Original-Path", "Base-Url", "X-Script-Name",
	}
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		for name := range r.Header {
			if strings.Contains(r.Header.Get(name), "evil") {
				fmt.Fprint(w, name, " ")
			}
		}
	})
	for _, name := range names {
		s.get("/"+name, name+": evil.example").expect(t, 200, "", "stored")
	}
}

// RFC 9111, 5.2.1.7: who wants only what is stored never makes a node ask for more.
func TestHTTP_OnlyIfCachedAsksNobody(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/no-store":
			w.Header().Set("Cache-Control", "no-store")
		case "/no-cache":
			setLines(w, []string{"Cache-Control: no-cache", `ETag: "a"`})
		case "/part":
			setLines(w, []string{"Cache-Control: max-age=60", `ETag: "a"`, "Content-Range: bytes 5-9/10", "Content-Length: 5"})
			w.WriteHeader(http.StatusPartialContent)
		default:
			w.Header().Set("Cache-Control", "max-age=60")
		}
		fmt.Fprint(w, "12345")
	})
	const only = "Cache-Control: only-if-cached"
	for _, c := range []struct {
		method, path, field string
		status              int
	}{
		{"GET", "/no-store", "X: y", 504}, {"HEAD", "/no-store", "X: y", 504}, {"GET", "/no-store", "Range: bytes=1-2", 504}, {"GET", "/no-cache", "X: y", 504},
		{"GET", "/fresh", `If-Match: "a"`, 504}, {"GET", "/fresh", "X: y", 200}, {"GET", "/part", "Range: bytes=6-7", 206}, {"GET", "/part", "Range: bytes=2-7", 504},
	} {
		warm := "X: y"
		if c.path == "/part" {
			warm = "Range: bytes=5-9"
		}
		if s.get(c.path, warm).status >= 400 {
			t.Fatal(c.path)
		}
		before := s.fetched.Load()
		if r := s.do(c.method, c.path, only, c.field); r.status != c.status || s.fetched.Load() != before {
			t.Errorf("%s %s with %s: %d and %d more requests", c.method, c.path, c.field, r.status, s.fetched.Load()-before)
		}
	}
}

// What is not stored is made as small as the client's own condition and range allow, at the node where a fill has
// yielded it, and at the upstream once it is known that nothing is stored.
func TestHTTP_WhatIsNotStoredObeysConditionsAndRanges(t *testing.T) {
	handle := func(w http.ResponseWriter, r *http.Request) {
		setLines(w, []string{"Cache-Control: private, no-cache", `ETag: "v1"`})
		http.ServeContent(w, r, "x.txt", time.Time{}, strings.NewReader("0123456789"))
	}
	for tiers, s := range map[string]*system{"one tier": newSystem(t, handle), "two tiers": twoTiers(t, "secret", handle)} {
		for i, c := range []struct {
			fields []string
			status int
			body   string
		}{
			{[]string{`If-None-Match: "v1"`}, 304, ""}, {[]string{`If-None-Match: "v0"`}, 200, "0123456789"}, {[]string{"Range: bytes=0-3"}, 206, "0123"},
			{[]string{"Range: bytes=4-5"}, 206, "45"}, {[]string{"Range: bytes=0-3", `If-Range: "v0"`}, 200, "0123456789"}, {[]string{"Range: bytes=20-"}, 416, ""}, {nil, 200, "0123456789"},
		} {
			for _, known := range []string{"unknown", "known"} {
				r := s.get(fmt.Sprint("/", i), c.fields...)
				if r.status != c.status || r.status != 416 && r.body != c.body || r.err != nil {
					t.Errorf("%s, %s, %q: %d %q, %v", tiers, known, c.fields, r.status, r.body, r.err)
				}
			}
		}
	}
}

// A cookie that belongs to one client comes with a 304 as well, and reaches it over all tiers.
func TestHTTP_CookiesOfA304(t *testing.T) {
	handle := func(w http.ResponseWriter, r *http.Request) {
		setLines(w, []string{`Cache-Control: max-age=1, no-cache="Set-Cookie"`, `ETag: "a"`, "Set-Cookie: of=" + r.Header.Get("X-Who")})
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
		}
	}
	for tiers, s := range map[string]*system{"one tier": newSystem(t, handle), "two tiers": twoTiers(t, "secret", handle)} {
		for _, who := range []string{"1", "2"} {
			s.clock.advance(5 * time.Second)
			if got := s.get("/", "X-Who: "+who).header.Get("Set-Cookie"); got != "of="+who {
				t.Errorf("%s: %s has %q", tiers, who, got)
			}
			if got := s.get("/", "X-Who: other").header.Get("Set-Cookie"); got != "" {
				t.Errorf("%s: a hit has %q", tiers, got)
			}
		}
	}
}

// What is stored by force is the same for all, whatever request it is that goes straight through.
func TestRules_ForcedResponsesSetNoCookies(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		setLines(w, []string{"Cache-Control: no-store", "Set-Cookie: a=b"})
		http.ServeContent(w, r, "x.txt", time.Time{}, strings.NewReader("0123456789"))
	}, ruled(t, "  - ttl: 1m\n    store: force\n"))
	for i, c := range []struct{ method, field string }{{"HEAD", "X: y"}, {"GET", "Range: bytes=3-"}, {"GET", "X: y"}} {
		if r := s.do(c.method, fmt.Sprint("/", i), c.field); r.header.Get("Set-Cookie") != "" || r.status >= 400 {
			t.Errorf("%s with %s: %v", c.method, c.field, r.header)
		}
	}
}
