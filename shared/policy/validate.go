package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tiercache/shared/invalidation"
)

// validateRules reports the first thing wrong with the rules, each for itself and beside each other.
func (s *Service) validateRules() *FieldError {
	if len(s.Rules) > maxRules {
		return &FieldError{"rules", fmt.Sprintf("%d rules: at most %d", len(s.Rules), maxRules)}
	}
	for i := range s.Rules {
		r, at := &s.Rules[i], fmt.Sprintf("rules[%d]", i)
		if err := r.validate(); err != nil {
			return err.in(at)
		}
		if r.Name == "" {
			continue
		}
		if j := slices.IndexFunc(s.Rules[:i], func(other Rule) bool { return other.Name == r.Name }); j >= 0 {
			return &FieldError{at + ".name", fmt.Sprintf("%q is the name of rules[%d] too: each rule has its own", r.Name, j)}
		}
	}
	for i := range s.Rules {
		if err := s.validateForce(i); err != nil {
			return err.in(fmt.Sprintf("rules[%d]", i))
		}
	}
	return nil
}

// validateForce checks that what a rule stores by force has a lifetime: its own, or one of a rule that matches all
// that it matches. Which of them counts in the end does not matter, since no rule can take a lifetime back.
func (s *Service) validateForce(i int) *FieldError {
	r := &s.Rules[i]
	if r.Store != StoreForce {
		return nil
	}
	for j := range s.Rules {
		if other := &s.Rules[j]; other.TTL != nil && (i == j || other.Match.covers(&r.Match)) {
			return nil
		}
	}
	return &FieldError{"store", "force needs to know for how long: add ttl to this rule"}
}

// validate reports the first thing wrong, by its path within the rule.
func (r *Rule) validate() *FieldError {
	if r.Name != "" && !validRuleName(r.Name) {
		return &FieldError{"name", fmt.Sprintf("%q: use 1-%d letters, digits, -, _ and ., a letter first", r.Name, maxRuleName)}
	}
	if err := r.Match.validate(); err != nil {
		return err.in("match")
	}
	for _, f := range []struct {
		name  string
		value *time.Duration
	}{{"ttl", r.TTL}, {"negative_ttl", r.NegativeTTL}, {"stale_while_revalidate", r.StaleWhileRevalidate}, {"stale_if_error", r.StaleIfError}} {
		if f.value != nil && (*f.value < 0 || *f.value > maxTTL) {
			return &FieldError{f.name, fmt.Sprintf("%s: use 0s to %s", *f.value, maxTTL)}
		}
	}
	if err := oneOf("store", r.Store, StoreForce, StoreDefault); err != nil {
		return err
	}
	if err := oneOf("request_directives", r.RequestDirectives, DirectivesHonour, DirectivesIgnore); err != nil {
		return err
	}
	if err := r.Key.validate(); err != nil {
		return err.in("key")
	}
	if err := r.validateTags(); err != nil {
		return err
	}
	return r.validateTogether()
}

// validateTogether refuses fields of a rule that contradict each other.
func (r *Rule) validateTogether() *FieldError {
	sets := r.sets()
	caching := slices.DeleteFunc(slices.Clone(sets), func(field string) bool { return field == "bypass" })
	switch {
	case len(sets) == 0:
		return &FieldError{"", "the rule sets nothing: give it ttl, negative_ttl, stale_while_revalidate, stale_if_error, bypass, key, store, tags or another field"}
	case len(caching) > 0 && r.Match.conditional():
		return &FieldError{caching[0], "a rule with match.query or match.header can set bypass only: what is kept for all must not depend on what is not in the key"}
	case len(caching) > 0 && r.Bypass != nil && *r.Bypass:
		return &FieldError{"bypass", "nothing is kept of what bypasses, so " + caching[0] + " means nothing: remove one of them"}
	case r.Store == StoreForce && r.TTL != nil && *r.TTL == 0:
		return &FieldError{"store", "force keeps responses for the ttl, which is 0s: make it longer or remove store"}
	}
	return nil
}

// sets lists the fields by which the rule says something.
func (r *Rule) sets() []string {
	var names []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"bypass", r.Bypass != nil}, {"ttl", r.TTL != nil}, {"negative_ttl", r.NegativeTTL != nil},
		{"stale_while_revalidate", r.StaleWhileRevalidate != nil}, {"stale_if_error", r.StaleIfError != nil},
		{"s_maxage_stale", r.SMaxAgeStale != nil}, {"heuristics", r.Heuristics != nil}, {"store", r.Store != ""},
		{"key", r.Key.Query != nil || r.Key.Headers != nil || r.Key.Cookies != nil}, {"tags", r.Tags != nil},
		{"request_directives", r.RequestDirectives != ""},
	} {
		if f.set {
			names = append(names, f.name)
		}
	}
	return names
}

func (r *Rule) validateTags() *FieldError {
	canonical := make([]string, len(r.Tags))
	for i, tag := range r.Tags {
		var err error
		if canonical[i], err = invalidation.CanonicalTag(tag); err != nil {
			return &FieldError{fmt.Sprintf("tags[%d]", i), err.Error()}
		}
	}
	return validateNames("tags", canonical, maxRuleTags, func(string) string { return "" })
}

func (k *Key) validate() *FieldError {
	if k.Query != nil {
		if err := k.Query.validate(); err != nil {
			return err.in("query")
		}
	}
	headers := make([]string, len(k.Headers))
	for i, name := range k.Headers {
		headers[i] = strings.ToLower(name)
	}
	if err := validateNames("headers", headers, maxNamed, validKeyField); err != nil {
		return err
	}
	return validateNames("cookies", k.Cookies, maxNamed, validCookie)
}

func (c *Condition) validate() *FieldError {
	if p := c.Path; p != "" {
		switch {
		case len(p) > maxPattern || strings.Count(p, "*") > maxStars:
			return &FieldError{"path", fmt.Sprintf("a pattern has at most %d bytes and %d stars", maxPattern, maxStars)}
		case p[0] != '/' && p[0] != '*':
			return &FieldError{"path", fmt.Sprintf("%q begins with neither / nor *, so no path matches it", p)}
		case strings.ContainsAny(p, "?#"):
			return &FieldError{"path", fmt.Sprintf("%q: a path has no query and no fragment", p)}
		}
	}
	if err := validatePatterns("query", c.Query, validParamName); err != nil {
		return err
	}
	return validatePatterns("header", c.Header, validField)
}

// validatePatterns checks the names and patterns of a condition.
func validatePatterns(field string, patterns map[string]string, valid func(string) string) *FieldError {
	if len(patterns) > maxNamed {
		return &FieldError{field, fmt.Sprintf("%d names: at most %d", len(patterns), maxNamed)}
	}
	for _, name := range sortedNames(patterns) {
		pattern := patterns[name]
		reason := valid(name)
		switch {
		case reason != "":
			reason = fmt.Sprintf("%q: %s", name, reason)
		case len(pattern) > maxPattern || strings.Count(pattern, "*") > maxStars:
			reason = fmt.Sprintf("a pattern has at most %d bytes and %d stars", maxPattern, maxStars)
		}
		if reason != "" {
			return &FieldError{field + "." + name, reason}
		}
	}
	return nil
}

func sortedNames(patterns map[string]string) []string {
	names := make([]string, 0, len(patterns))
	for name := range patterns {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func oneOf(field, value string, words ...string) *FieldError {
	if value == "" || slices.Contains(words, value) {
		return nil
	}
	return &FieldError{field, fmt.Sprintf("%q: use %s", value, strings.Join(words, " or "))}
}

func validRuleName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return len(name) <= maxRuleName && strings.Trim(name[:1], letters) == "" && strings.Trim(name, letters+"0123456789-_.") == ""
}
