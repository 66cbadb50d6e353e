package policy

import (
	"strings"
	"time"
)

// Limits of rules.
const (
	maxRules     = 256
	maxRuleName  = 64
	maxPattern   = 256
	maxStars     = 8
	maxTTL       = 366 * 24 * time.Hour
	maxParams    = 32  // that a rule names
	maxNamed     = 8   // fields, and cookies, that a rule names
	maxNameBytes = 128 // of one of these
	maxRuleTags  = 32  // so that responses have room for tags of their own
)

// What Rule.Store may say.
const (
	StoreDefault = "default" // what the response says decides
	StoreForce   = "force"
)

// What Rule.RequestDirectives may say.
const (
	DirectivesIgnore = "ignore"
	DirectivesHonour = "honour"
)

// Rule says how matching requests and their responses are treated. Rules are read from the first to the last; later
// ones win, field by field. What the upstream forbids to store or to share stays forbidden, unless Store says force.
type Rule struct {
	// Name is what Cache-Status calls the rule when it decides: 1-64 letters, digits, "-", "_" and ".", a letter
	// first; unique in the document. Without one the rule goes by its place, such as rules[1].
	Name string `yaml:"name" json:"name,omitempty"`
	// Match is which requests the rule is for; empty: all.
	Match Condition `yaml:"match" json:"match"`
	// Bypass sends requests straight to the upstream, as they are: nothing is looked up, nothing is stored.
	Bypass *bool `yaml:"bypass" json:"bypass,omitempty"`
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
	// SMaxAgeStale lets both windows count beside s-maxage, which forbids any stale use (RFC 9111, 5.2.2.10).
	SMaxAgeStale *bool `yaml:"s_maxage_stale" json:"s_maxage_stale,omitempty"`
	// Heuristics gives responses that say nothing of their freshness a lifetime by their Last-Modified (RFC 9111,
	// 4.2.2). Default true.
	Heuristics *bool `yaml:"heuristics" json:"heuristics,omitempty"`
	// Store is StoreForce to store, for TTL (404 and 410: for NegativeTTL), in spite of no-store, private, no-cache
	// and Set-Cookie, which is then given to nobody. Requests with Authorization bypass the cache then, and cookies
	// that Key does not name are kept from the upstream: it must not tell one client from another.
	Store string `yaml:"store" json:"store,omitempty"`
	// Key is what tells stored responses apart beside scheme, host and path.
	Key Key `yaml:"key" json:"key,omitzero"`
	// Tags are added to those that responses name, by the same rules for what is in them; at most 32.
	Tags []string `yaml:"tags" json:"tags,omitzero"`
	// RequestDirectives is DirectivesHonour to obey what clients say in Cache-Control and Pragma, up to a limit of
	// requests a second. Default DirectivesIgnore.
	RequestDirectives string `yaml:"request_directives" json:"request_directives,omitempty"`
}

// Condition is which requests a rule is for: those that meet all of it. Patterns are such as those of Path.
type Condition struct {
	// Path is a pattern for the path, without the query: "*" stands for any characters, "/" included, so
	// "/static/*" is all below /static/ and "*.css" what ends with .css. Empty: every path. At most 256
	// bytes and 8 stars.
	Path string `yaml:"path" json:"path,omitempty"`
	// Query has a pattern for the value of each of these parameters, byte for byte as sent; the request must have
	// them all. A rule with Query or Header may set Bypass only: all else must not depend on what is not in the key.
	Query map[string]string `yaml:"query" json:"query,omitempty"`
	// Header has a pattern for the value of each of these request fields; the request must have them all.
	Header map[string]string `yaml:"header" json:"header,omitempty"`
}

// Key is what a stored response is told apart by, beside scheme, host and path. What is not part of it does not reach
// the upstream with GET and HEAD, so that it cannot change what others are given.
type Key struct {
	// Query is which part of the query counts. nil: all of it, as it is.
	Query *Query `yaml:"query" json:"query,omitempty"`
	// Headers are request fields that count; at most 8. The upstream gets each in one line, in its normal form.
	Headers []string `yaml:"headers" json:"headers,omitzero"`
	// Cookies are the names of cookies that count; at most 8. Others do not reach the upstream; all of them do, and
	// none counts, where no rule says anything of cookies.
	Cookies []string `yaml:"cookies" json:"cookies,omitzero"`
}

// conditional reports whether the condition looks at more than the path.
func (c *Condition) conditional() bool { return len(c.Query) > 0 || len(c.Header) > 0 }

// covers reports whether whatever other matches is matched too, as far as can be seen at once.
func (c *Condition) covers(other *Condition) bool {
	return !c.conditional() && (c.Path == "" || c.Path == "*" || c.Path == other.Path)
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
