package policy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func service(name string, hosts ...string) Service {
	return Service{Name: name, Hosts: hosts, Upstream: UpstreamOrigin}
}

func TestSet_MatchPrefersTheMoreExactPattern(t *testing.T) {
	set, err := NewSet([]Service{service("any", "*"), service("wild", "*.shop.example"), service("deep", "*.eu.shop.example"), service("exact", "www.shop.example")})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"www.shop.example": "exact", "img.shop.example": "wild", "a.b.shop.example": "wild",
		"a.eu.shop.example": "deep", "shop.example": "any", "other": "any", "evilshop.example": "any",
	} {
		if got := set.Match(host); got == nil || got.Name != want {
			t.Errorf("Match(%q) = %v, want %s", host, got, want)
		}
	}
}

func TestSet_MatchWithoutCatchAll(t *testing.T) {
	set, err := NewSet([]Service{service("one", "one.example")})
	if err != nil {
		t.Fatal(err)
	}
	if m := set.Match("two.example"); m != nil {
		t.Fatalf("Match = %v, want none", m)
	}
	if n := testing.AllocsPerRun(100, func() { set.Match("one.example") }); n != 0 {
		t.Fatalf("Match allocates %v times", n)
	}
}

func TestNewSet_RefusesContradictions(t *testing.T) {
	cases := map[string][]Service{
		"is used twice":             {service("a", "a.example"), service("a", "b.example")},
		"is claimed by a":           {service("a", "a.example"), service("b", "a.example")},
		"hosts: is empty":           {service("a")},
		`write "a.example"`:         {service("a", "A.example")},
		"use 1-64":                  {service("A b", "*")},
		`use "origin"`:              {{Name: "a", Hosts: []string{"*"}, Upstream: "ftp://x"}},
		"a path, query":             {{Name: "a", Hosts: []string{"*"}, Upstream: "http://x/path"}},
		"a user name or a password": {{Name: "a", Hosts: []string{"*"}, Upstream: "http://u:p@x"}},
		"timeout":                   {{Name: "a", Hosts: []string{"*"}, Upstream: UpstreamOrigin, Timeout: time.Hour}},
		`"*" is claimed by a`:       {service("a", "*"), service("b", "*")},
	}
	for want, services := range cases {
		_, err := NewSet(services)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestService_FingerprintFollowsWhatDecidesStorage(t *testing.T) {
	base := service("a", "*")
	prints := map[uint64]bool{base.Fingerprint(): true}
	for _, change := range []func(*Service){
		func(s *Service) { s.Upstream = "http://x" },
		func(s *Service) { s.PreserveHost = true },
		func(s *Service) { s.AllowSetCookie = true },
		func(s *Service) { s.Name = "b" },
	} {
		s := base
		change(&s)
		if prints[s.Fingerprint()] {
			t.Errorf("fingerprint of %+v is not its own", s)
		}
		prints[s.Fingerprint()] = true
	}
	same := base
	same.Timeout = time.Second
	if same.Fingerprint() != base.Fingerprint() {
		t.Error("the timeout changes the fingerprint, which would empty the cache for nothing")
	}
}

func TestService_EachHostOnceInOneSpelling(t *testing.T) {
	for host, want := range map[string]string{
		"a.example":        `hosts[1]: "a.example" is hosts[0] too: remove one`,
		"A.example":        `hosts[1]: "A.example" has capitals, a port or a final dot: write "a.example"`,
		"a.example:8080":   `write "a.example"`,
		"a.example:":       `write "a.example"`,
		"a.example.":       `write "a.example"`,
		"*.A.example.:80":  `write "*.a.example"`,
		"[::A]:80":         `write "[::a]"`,
		"a..example":       `hosts[1]: "a..example" is not a host name, *.name or *`,
		"a.*.example":      "is not a host name",
		"http://a.example": "is not a host name",
		"a.example:x":      "is not a host name",
		".":                "is not a host name",
	} {
		s := service("s", "a.example", host)
		if err := s.Validate(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", host, err, want)
		}
	}
	for _, hosts := range [][]string{{"*", "*"}, {"*.a", "b", "*.a"}} {
		s := service("s", hosts...)
		if err := s.Validate(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "remove one") {
			t.Errorf("%q: %v", hosts, err)
		}
	}
	s := service("s", "*", "a", "*.a", "b.a", "[::1]", "127.0.0.1")
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidHost(t *testing.T) {
	for host, want := range map[string]bool{
		"a": true, "a.b-c.example": true, "127.0.0.1": true, "[::1]": true, "_dmarc.example": true,
		"": false, ".a": false, "a..b": false, "A": false, "a:80": false, "a/b": false, "a b": false, "[::1": false, "[]": false, "a.": false, ".": false, "[::1].": false,
		strings.Repeat("a", 254): false,
	} {
		if got := ValidHost(host); got != want {
			t.Errorf("ValidHost(%q) = %t, want %t", host, got, want)
		}
	}
}

func TestTrimRoot(t *testing.T) {
	for host, want := range map[string]string{"a.example.": "a.example", "a.example": "a.example", "a..": "a.", ".": "", "": "", "[::1].": "[::1]."} {
		if got := TrimRoot(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

func TestService_UpstreamErrorsRepeatNoPassword(t *testing.T) {
	for _, upstream := range []string{"http://bob:hunter2@h", "http://bob:hunter2@h/path", "http://bob:hunter2@h:x", "bob:hunter2@h", "http://bob:hunt er2@h"} {
		s := Service{Name: "s", Hosts: []string{"*"}, Upstream: upstream}
		if err := s.Validate(); err == nil || strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "bob") {
			t.Errorf("got %v", err)
		}
	}
	s := Service{Name: "s", Hosts: []string{"*"}, Upstream: "http://h/path"}
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), `upstream: "http://h/path": a path`) {
		t.Errorf("got %v", err)
	}
}
