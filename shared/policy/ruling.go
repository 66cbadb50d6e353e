package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"tiercache/shared/httpcache"
)

// Ruling is what the rules of a service say for one request: of each field that of the last rule that sets it. Its
// slices are the document's: nobody changes them.
type Ruling struct {
	Override httpcache.Override

	Bypass       bool
	ForceStore   bool
	SMaxAgeStale bool
	NoHeuristics bool
	Honour       bool // the client's directives

	// Key. Cookies is nil where nothing is said of cookies.
	Query   *Query
	Headers []string
	Cookies []string

	Tags []string

	// Print is the fingerprint of the document and of all in it that decides the key, tags or storability of this
	// request: entries made under other such rules are out of reach.
	Print uint64

	by by
}

// by are the rules that have set a field, each by its number from 1; 0: none.
type by struct{ bypass, ttl, negativeTTL, store, query, headers, cookies, tags int16 }

// RequestFields are the fields of a request, as conditions look at them.
type RequestFields interface {
	// Field is the value of a field as the next tier will get it, several lines joined.
	Field(name string) (value string, present bool)
}

// compiled is what a rule is turned into once.
type compiled struct {
	label  string    // in Cache-Status
	query  []pattern // of its condition
	header []pattern
	// What of the rule goes into fingerprints; 0 where it says no more than the default.
	store, keyQuery, headers, cookies, tags uint64
}

type pattern struct{ name, value string }

// compile prepares the rules of a document that is valid.
func compile(rules []Rule) []compiled {
	list := make([]compiled, len(rules))
	for i := range rules {
		r, c := &rules[i], &list[i]
		c.label = fmt.Sprintf("rules[%d]", i)
		if r.Name != "" {
			c.label = "rule:" + r.Name
		}
		c.query, c.header = patterns(r.Match.Query), patterns(r.Match.Header)
		if r.Store == StoreForce {
			c.store = 1
		}
		if r.Key.Query.rewrites() {
			c.keyQuery = printOf("query", r.Key.Query.Mode, r.Key.Query.Only, r.Key.Query.Except)
		}
		if len(r.Key.Headers) > 0 {
			c.headers = printOf("headers", r.Key.Headers)
		}
		if r.Key.Cookies != nil {
			c.cookies = printOf("cookies", r.Key.Cookies)
		}
		if len(r.Tags) > 0 {
			c.tags = printOf("tags", r.Tags)
		}
	}
	return list
}

func printOf(parts ...any) uint64 { return xxhash.Sum64String(fmt.Sprintf("%q", parts)) }

func patterns(of map[string]string) []pattern {
	var list []pattern
	for _, name := range sortedNames(of) {
		list = append(list, pattern{name, of[name]})
	}
	return list
}

// Rule is what the rules say for a request with that target. fields may be nil: then conditions on fields do not hold,
// which leaves out bypasses only. It does not allocate.
func (m *Match) Rule(target string, fields RequestFields) (r Ruling) {
	r.Print = m.Print
	if len(m.compiled) == 0 {
		return r
	}
	path, query, _ := strings.Cut(target, "?")
	for i := range m.compiled {
		rule, c := &m.Rules[i], &m.compiled[i]
		if (rule.Match.Path == "" || matchPattern(rule.Match.Path, path)) && c.met(query, fields) {
			r.apply(rule, int16(i+1))
		}
	}
	if r.ForceStore && r.Cookies == nil {
		r.Cookies = []string{} // or the upstream could tell one client from another by them
	}
	r.Print = m.print(&r.by)
	return r
}

// met reports whether a request meets what a condition says beside the path.
func (c *compiled) met(query string, fields RequestFields) bool {
	for i := range c.query {
		if !anyParam(query, &c.query[i]) {
			return false
		}
	}
	for i := range c.header {
		if fields == nil {
			return false
		}
		value, present := fields.Field(c.header[i].name)
		if !present || !matchPattern(c.header[i].value, value) {
			return false
		}
	}
	return true
}

// anyParam reports whether a parameter has the name and a value that matches.
func anyParam(query string, p *pattern) bool {
	for param, rest := nextParam(query); param != ""; param, rest = nextParam(rest) {
		name, value, _ := strings.Cut(param, "=")
		if name == p.name && matchPattern(p.value, value) {
			return true
		}
	}
	return false
}

// apply takes what the rule sets. n is its number.
func (r *Ruling) apply(rule *Rule, n int16) {
	take(&r.Override.TTL, rule.TTL, &r.by.ttl, n)
	take(&r.Override.NegativeTTL, rule.NegativeTTL, &r.by.negativeTTL, n)
	take(&r.Override.StaleWhileRevalidate, rule.StaleWhileRevalidate, nil, n)
	take(&r.Override.StaleIfError, rule.StaleIfError, nil, n)
	take(&r.Query, rule.Key.Query, &r.by.query, n)
	if rule.Bypass != nil {
		r.Bypass, r.by.bypass = *rule.Bypass, n
	}
	if rule.SMaxAgeStale != nil {
		r.SMaxAgeStale = *rule.SMaxAgeStale
	}
	if rule.Heuristics != nil {
		r.NoHeuristics = !*rule.Heuristics
	}
	if rule.RequestDirectives != "" {
		r.Honour = rule.RequestDirectives == DirectivesHonour
	}
	if rule.Store != "" {
		r.ForceStore, r.by.store = rule.Store == StoreForce, n
	}
	if rule.Key.Headers != nil {
		r.Headers, r.by.headers = rule.Key.Headers, n
	}
	if rule.Key.Cookies != nil {
		r.Cookies, r.by.cookies = rule.Key.Cookies, n
	}
	if rule.Tags != nil {
		r.Tags, r.by.tags = rule.Tags, n
	}
}

func take[T any](to **T, value *T, by *int16, n int16) {
	if value == nil {
		return
	}
	*to = value
	if by != nil {
		*by = n
	}
}

// print is the fingerprint for what these rules have set. Where none says more than the default it is the document's.
func (m *Match) print(by *by) uint64 {
	const prime = 1099511628211 // of FNV-1a, which is what this is, over numbers
	sum := m.Print
	mix := func(n int16, field uint64, print func(*compiled) uint64) {
		if n == 0 {
			return
		}
		if p := print(&m.compiled[n-1]); p != 0 {
			sum = ((sum^field)*prime ^ p) * prime
		}
	}
	mix(by.store, 1, func(c *compiled) uint64 { return c.store })
	mix(by.query, 2, func(c *compiled) uint64 { return c.keyQuery })
	mix(by.headers, 3, func(c *compiled) uint64 { return c.headers })
	mix(by.cookies, 4, func(c *compiled) uint64 { return c.cookies })
	mix(by.tags, 5, func(c *compiled) uint64 { return c.tags })
	return sum
}

// Keyed reports whether the ruling changes what the upstream is sent with GET and HEAD.
func (r *Ruling) Keyed() bool {
	return r.Query.rewrites() || len(r.Headers) > 0 || r.Cookies != nil
}

// Rewrites reports whether targets may look different in keys, and to the upstream, than they were received.
func (r *Ruling) Rewrites() bool { return r.Query.rewrites() }

// Deciding are the rules that decide about a response with that status, by their labels: whose lifetime it has, and who
// says that it is stored by force and what of query, headers and cookies is part of the key. Each is named once.
func (m *Match) Deciding(r *Ruling, status int) (labels httpcache.Rules) {
	var by [len(labels)]int16
	switch {
	case httpcache.TakesTTL(status):
		by[0] = r.by.ttl
	case httpcache.TakesNegativeTTL(status):
		by[0] = r.by.negativeTTL
	}
	if r.ForceStore {
		by[1] = r.by.store
	}
	if r.Query.rewrites() {
		by[2] = r.by.query
	}
	if len(r.Headers) > 0 {
		by[3] = r.by.headers
	}
	by[4] = r.by.cookies
	for i, n := range by {
		if !slices.Contains(by[:i], n) {
			labels[i] = m.label(n)
		}
	}
	return labels
}

// StoreRule is the label of the rule that said what to store, "" when none did.
func (m *Match) StoreRule(r *Ruling) string { return m.label(r.by.store) }

// BypassRule is that of the rule that said whether to bypass.
func (m *Match) BypassRule(r *Ruling) string { return m.label(r.by.bypass) }

func (m *Match) label(n int16) string {
	if n == 0 {
		return ""
	}
	return m.compiled[n-1].label
}
