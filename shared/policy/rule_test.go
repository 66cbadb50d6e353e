package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func lasting(d time.Duration) *time.Duration { return &d }

func TestMatchPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"", "/a", true}, {"*", "/a/b", true}, {"/a", "/a", true}, {"/a", "/ab", false}, {"/a", "/", false},
		{"/a/*", "/a/b/c", true}, {"/a/*", "/a/", true}, {"/a/*", "/a", false}, {"*.css", "/x/y.css", true},
		{"*.css", "/x/y.cssx", false}, {"/*/b/*", "/a/b/c", true}, {"/*/b/*", "/a/c/b", false}, {"/a**", "/a", true},
		{"*a*a*a*b", "/" + strings.Repeat("a", 1000), false},
	} {
		set, err := NewSet([]Service{{Name: "a", Hosts: []string{"*"}, Upstream: UpstreamOrigin, Rules: []Rule{{Match: Condition{Path: c.pattern}, TTL: lasting(1)}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := set.All()[0].Rule(c.path, nil).Override.TTL != nil; got != c.want {
			t.Errorf("%q matches %q: %t", c.pattern, c.path, got)
		}
	}
}

// slowMatch is the definition: a star takes any number of characters.
func slowMatch(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] == '*' {
		return slowMatch(pattern[1:], s) || s != "" && slowMatch(pattern, s[1:])
	}
	return s != "" && pattern[0] == s[0] && slowMatch(pattern[1:], s[1:])
}

func TestMatchPattern_IsTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*]{1,7}`).Draw(t, "pattern")
		s := rapid.StringMatching(`[ab]{0,9}`).Draw(t, "s")
		if got, want := matchPattern(pattern, s), slowMatch(pattern, s); got != want {
			t.Fatalf("%q matches %q: %t, want %t", pattern, s, got, want)
		}
	})
}

func TestNewSet_NamesTheFieldThatIsWrong(t *testing.T) {
	for path, change := range map[string]func(*Service){
		"services[0].hosts[1]":                func(s *Service) { s.Hosts = []string{"a", "B"} },
		"services[0].upstream":                func(s *Service) { s.Upstream = "x" },
		"services[0].on_partition":            func(s *Service) { s.OnPartition = "x" },
		"services[0].upstream_lag":            func(s *Service) { s.UpstreamLag = -1 },
		"services[0].rules[0]":                func(s *Service) { s.Rules = []Rule{{}} },
		"services[0].rules[1].ttl":            func(s *Service) { s.Rules = []Rule{{TTL: lasting(1)}, {TTL: lasting(-1)}} },
		"services[0].rules[0].stale_if_error": func(s *Service) { s.Rules = []Rule{{StaleIfError: lasting(1e6 * time.Hour)}} },
		"services[0].rules[0].match.path":     func(s *Service) { s.Rules = []Rule{{Match: Condition{Path: "a/*"}, TTL: lasting(1)}} },
		"services[0].rules":                   func(s *Service) { s.Rules = make([]Rule, maxRules+1) },
	} {
		s := service("a", "*")
		change(&s)
		_, err := NewSet([]Service{s})
		var field *FieldError
		if !errors.As(err, &field) || field.Path != path || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
