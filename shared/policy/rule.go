package policy

import (
	"fmt"
	"strings"
	"time"

	"tiercache/shared/httpcache"
)

// Limits of rules.
const (
	maxRules   = 256
	maxPattern = 256
	maxStars   = 8
	maxTTL     = 366 * 24 * time.Hour
)

// Rule says how long responses to matching requests are kept. Rules are read from the first to the last;
// later ones win, field by field. What the upstream forbids to store or to share stays forbidden.
type Rule struct {
	// Match is which requests the rule is for; empty: all.
	Match Condition `yaml:"match" json:"match"`
	// TTL is the lifetime of successful responses and permanent redirects, whatever they say of their
	// own. At most 366 days.
	TTL *time.Duration `yaml:"ttl" json:"ttl,omitempty"`
	// NegativeTTL is the lifetime of 404, 405, 410, 414 and 501.
	NegativeTTL *time.Duration `yaml:"negative_ttl" json:"negative_ttl,omitempty"`
	// StaleWhileRevalidate is how long after its lifetime a response is served while it is revalidated
	// in the background (RFC 5861, 3).
	StaleWhileRevalidate *time.Duration `yaml:"stale_while_revalidate" json:"stale_while_revalidate,omitempty"`
	// StaleIfError is how long after its lifetime a response is served when the upstream fails
	// (RFC 5861, 4).
	StaleIfError *time.Duration `yaml:"stale_if_error" json:"stale_if_error,omitempty"`
}

// Condition is which requests a rule is for.
type Condition struct {
	// Path is a pattern for the path, without the query: "*" stands for any characters, "/" included, so
	// "/static/*" is all below /static/ and "*.css" what ends with .css. Empty: every path. At most 256
	// bytes and 8 stars.
	Path string `yaml:"path" json:"path,omitempty"`
}

// validate reports the first thing wrong, by its path within the rule.
func (r *Rule) validate() *FieldError {
	if p := r.Match.Path; p != "" {
		switch {
		case len(p) > maxPattern || strings.Count(p, "*") > maxStars:
			return &FieldError{"match.path", fmt.Sprintf("a pattern has at most %d bytes and %d stars", maxPattern, maxStars)}
		case p[0] != '/' && p[0] != '*':
			return &FieldError{"match.path", fmt.Sprintf("%q begins with neither / nor *, so no path matches it", p)}
		case strings.ContainsAny(p, "?#"):
			return &FieldError{"match.path", fmt.Sprintf("%q: a path has no query and no fragment", p)}
		}
	}
	set := false
	for _, f := range []struct {
		name  string
		value *time.Duration
	}{{"ttl", r.TTL}, {"negative_ttl", r.NegativeTTL}, {"stale_while_revalidate", r.StaleWhileRevalidate}, {"stale_if_error", r.StaleIfError}} {
		if f.value == nil {
			continue
		}
		set = true
		if *f.value < 0 || *f.value > maxTTL {
			return &FieldError{f.name, fmt.Sprintf("%s: use 0s to %s", *f.value, maxTTL)}
		}
	}
	if !set {
		return &FieldError{"", "the rule sets nothing: give it ttl, negative_ttl, stale_while_revalidate or stale_if_error"}
	}
	return nil
}

// matches reports whether the rule is for a path. It does not allocate.
func (c *Condition) matches(path string) bool {
	return c.Path == "" || matchPattern(c.Path, path)
}

// matchPattern matches s against a pattern with stars. It remembers the last star only, which is enough:
// what an earlier one could take, the last one can take as well. Steps: at most len(pattern) * len(s).
func matchPattern(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == s[i]:
			p, i = p+1, i+1
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// Override is what the rules say for a target (path and query): of each value that of the last rule that
// sets it. It does not allocate.
func (s *Service) Override(target string) (o httpcache.Override) {
	if len(s.Rules) == 0 {
		return o
	}
	path, _, _ := strings.Cut(target, "?")
	for i := range s.Rules {
		r := &s.Rules[i]
		if !r.Match.matches(path) {
			continue
		}
		o.TTL = last(o.TTL, r.TTL)
		o.NegativeTTL = last(o.NegativeTTL, r.NegativeTTL)
		o.StaleWhileRevalidate = last(o.StaleWhileRevalidate, r.StaleWhileRevalidate)
		o.StaleIfError = last(o.StaleIfError, r.StaleIfError)
	}
	return o
}

func last(before, now *time.Duration) *time.Duration {
	if now != nil {
		return now
	}
	return before
}
