package policy

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
)

// UpstreamOrigin as a service's upstream means the platform's own origin.
const UpstreamOrigin = "origin"

// DefaultTimeout bounds the wait for an upstream's response head, and for each further part of its body.
const DefaultTimeout = 30 * time.Second

// ErrInvalid is wrapped by every error about a service document.
var ErrInvalid = errors.New("invalid service document")

// Service is one service document.
type Service struct {
	// Name identifies the service: 1-64 of a-z, 0-9, "-" and "_". It is part of every cache key.
	Name string `yaml:"name" json:"name"`
	// Hosts are the host names answered for: exact ("shop.example"), one leading wildcard label
	// ("*.shop.example", any depth) or "*" for every host. No port: hosts match without it.
	Hosts []string `yaml:"hosts" json:"hosts"`
	// Upstream is "origin" for the platform's own origin, or an http:// or https:// URL without path.
	Upstream string `yaml:"upstream" json:"upstream"`
	// PreserveHost sends the client's Host to an upstream URL instead of the URL's own.
	// The origin always gets the client's.
	PreserveHost bool `yaml:"preserve_host" json:"preserve_host"`
	// Timeout bounds the wait for the response head and for each part of its body. Default 30 s, at
	// most 10 min.
	Timeout time.Duration `yaml:"timeout" json:"timeout"`
	// AllowSetCookie stores responses that carry Set-Cookie and are otherwise storable. Off by
	// default: one user's cookie would reach all.
	AllowSetCookie bool `yaml:"allow_set_cookie" json:"allow_set_cookie"`
	// SurrogateControl obeys the upstream's Surrogate-Control before Cache-Control, and says so to the upstream by
	// Surrogate-Capability (Edge Architecture Specification 1.0). CDN-Cache-Control comes first. Off by default.
	SurrogateControl bool `yaml:"surrogate_control" json:"surrogate_control,omitempty"`
	// Compress lists the content codings, best first, that edge nodes put on text that comes without one: of
	// "zstd", "br" and "gzip". Content is compressed once and stored so; the upstream is asked for the coding
	// that a client gets. Empty: none.
	Compress []string `yaml:"compress" json:"compress,omitempty"`
	// Languages are those that the site has, best first, such as "de" and "en-GB"; at most 32. Accept-Language is
	// then reduced to the one of them that suits the client best, in what the upstream is sent and in what
	// responses vary by. Empty: it stays what the client sends.
	Languages []string `yaml:"languages" json:"languages,omitempty"`
	// EarlyHints passes 103 (Early Hints) of an upstream on to clients of HTTP/1.1, at once. Off by default: software
	// in front of the edges, such as NGINX before 1.29, may not get past a 103 (RFC 8297, 3).
	EarlyHints bool `yaml:"early_hints" json:"early_hints,omitempty"`
	// OnPartition is what a node does with this service's responses while it holds no lease, that is while
	// it cannot know of new purges: PartitionServeStale (default) or PartitionStrict.
	OnPartition string `yaml:"on_partition" json:"on_partition,omitempty"`
	// UpstreamLag is how old a response of the upstream may be when it is sent, such as by a cache or a
	// replica of its own: a purge counts against responses that were asked for up to this long after it.
	// Default 0, at most 10 min. The origin needs none.
	UpstreamLag time.Duration `yaml:"upstream_lag" json:"upstream_lag,omitempty"`
	// Invalidate is how far a successful response to an unsafe method (POST, PUT, DELETE, ...) reaches: what it
	// makes invalid is forgotten by the nodes on its way, InvalidateLocal (default), or purged on every node,
	// InvalidateFleet. Cache groups are reached by the latter alone (RFC 9875).
	Invalidate string `yaml:"invalidate" json:"invalidate,omitempty"`
	// Rules say how requests are treated and how long responses are kept; later ones win.
	Rules []Rule `yaml:"rules" json:"rules,omitempty"`
}

// How far unsafe methods reach.
const (
	InvalidateLocal = "local"
	InvalidateFleet = "fleet"
)

// InvalidatesFleet reports whether unsafe methods make every node forget what they make invalid.
func (s *Service) InvalidatesFleet() bool { return s.Invalidate == InvalidateFleet }

// What a node without a lease does.
const (
	// PartitionServeStale: stored responses live out their own lifetimes, and Cache-Status says that the
	// node is disconnected.
	PartitionServeStale = "serve_stale"
	// PartitionStrict: each use is revalidated up the tiers, by nodes that hold a lease, else it is 504.
	PartitionStrict = "strict"
)

// Strict reports whether the service demands a lease for what is served.
func (s *Service) Strict() bool { return s.OnPartition == PartitionStrict }

// FieldError is what is wrong with one field of a document. It wraps ErrInvalid.
type FieldError struct {
	Path   string // such as hosts[0] or rules[1].match.path; "" is the document itself
	Reason string
}

// Error names the field.
func (e *FieldError) Error() string {
	if e.Path == "" {
		return ErrInvalid.Error() + ": " + e.Reason
	}
	return ErrInvalid.Error() + ": " + e.Path + ": " + e.Reason
}

// FieldPath is Path, for those who know where in a file the field stands.
func (e *FieldError) FieldPath() string { return e.Path }

// Unwrap makes the error an ErrInvalid.
func (e *FieldError) Unwrap() error { return ErrInvalid }

// in puts the error's path behind that of what contains the field.
func (e *FieldError) in(parent string) *FieldError {
	if e.Path == "" {
		return &FieldError{parent, e.Reason}
	}
	return &FieldError{parent + "." + e.Path, e.Reason}
}

// Validate reports the first thing wrong with the document, as a *FieldError.
func (s *Service) Validate() error {
	if err := s.validate(); err != nil {
		return err
	}
	return nil
}

func (s *Service) validate() *FieldError {
	switch {
	case !validName(s.Name):
		return &FieldError{"name", fmt.Sprintf("%q: use 1-64 of a-z, 0-9, - and _", s.Name)}
	case len(s.Hosts) == 0:
		return &FieldError{"hosts", `is empty; use ["*"] for every host`}
	case s.OnPartition != "" && s.OnPartition != PartitionServeStale && s.OnPartition != PartitionStrict:
		return &FieldError{"on_partition", fmt.Sprintf("%q: use %s or %s", s.OnPartition, PartitionServeStale, PartitionStrict)}
	case s.Invalidate != "" && s.Invalidate != InvalidateLocal && s.Invalidate != InvalidateFleet:
		return &FieldError{"invalidate", fmt.Sprintf("%q: use %s or %s", s.Invalidate, InvalidateLocal, InvalidateFleet)}
	case s.Timeout < 0 || s.Timeout > 10*time.Minute:
		return &FieldError{"timeout", fmt.Sprintf("%s: use 0s (which is 30s) to 10m", s.Timeout)}
	case s.UpstreamLag < 0 || s.UpstreamLag > 10*time.Minute:
		return &FieldError{"upstream_lag", fmt.Sprintf("%s: use 0s to 10m", s.UpstreamLag)}
	}
	if err := s.validateHosts(); err != nil {
		return err
	}
	if err := validUpstream(s.Upstream); err != nil {
		return &FieldError{"upstream", err.Error()}
	}
	if err := s.validateNegotiation(); err != nil {
		return err
	}
	return s.validateRules()
}

func (s *Service) validateHosts() *FieldError {
	first := make(map[string]int, len(s.Hosts))
	for i, h := range s.Hosts {
		path := fmt.Sprintf("hosts[%d]", i)
		if !validPattern(h) {
			return &FieldError{path, fmt.Sprintf("%q %s", h, hostMistake(h))}
		}
		if j, twice := first[h]; twice {
			return &FieldError{path, fmt.Sprintf("%q is hosts[%d] too: remove one", h, j)}
		}
		first[h] = i
	}
	return nil
}

// hostMistake says what is wrong with a pattern of hosts, and what to write where that can be told: each has one
// spelling, by which two that are the same are found.
func hostMistake(pattern string) string {
	meant := strings.ToLower(pattern)
	if i := strings.LastIndexByte(meant, ':'); i > strings.LastIndexByte(meant, ']') && strings.Trim(meant[i+1:], "0123456789") == "" {
		meant = meant[:i]
	}
	meant = strings.TrimSuffix(meant, ".")
	if validPattern(meant) {
		return fmt.Sprintf("has capitals, a port or a final dot: write %q", meant)
	}
	return "is not a host name, *.name or *"
}

// ResponseTimeout is Timeout with its default.
func (s *Service) ResponseTimeout() time.Duration {
	if s.Timeout == 0 {
		return DefaultTimeout
	}
	return s.Timeout
}

// Fingerprint changes with every field, rules apart, that decides what a key stands for or what may be stored, so
// that entries made under an earlier document are out of reach. Rules are in Ruling.Print.
func (s *Service) Fingerprint() uint64 {
	return xxhash.Sum64String(fmt.Sprintf("2|%q|%q|%t|%t|%t|%q|%q", s.Name, s.Upstream, s.PreserveHost, s.AllowSetCookie,
		s.SurrogateControl, s.Compress, s.Languages))
}

func validName(name string) bool {
	return len(name) >= 1 && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

func validPattern(pattern string) bool {
	if pattern == "*" {
		return true
	}
	return ValidHost(strings.TrimPrefix(pattern, "*."))
}

// TrimRoot is host without a final dot, which only says that a name is whole: the host is the same one (RFC 3986,
// 3.2.2). Clients send the dot when their users type it.
func TrimRoot(host string) string {
	if strings.HasPrefix(host, "[") {
		return host // no address literal ends with a dot
	}
	return strings.TrimSuffix(host, ".")
}

// ValidHost reports whether host is a lower-case registered name or address literal without port and final dot
// (RFC 3986, 3.2.2), of at most 253 octets.
func ValidHost(host string) bool {
	if len(host) == 0 || len(host) > 253 || host[len(host)-1] == '.' {
		return false
	}
	if host[0] == '[' {
		return validLiteral(host)
	}
	for i := range len(host) {
		c := host[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && c != '-' && c != '_' && (c != '.' || i == 0 || host[i-1] == '.') {
			return false
		}
	}
	return true
}

func validLiteral(host string) bool {
	return len(host) > 3 && host[len(host)-1] == ']' && strings.Trim(host[1:len(host)-1], "0123456789abcdef:.") == ""
}

// validUpstream says what is wrong with an upstream. It repeats none that may have a password in it.
func validUpstream(upstream string) error {
	if upstream == UpstreamOrigin {
		return nil
	}
	quoted := ""
	if !strings.Contains(upstream, "@") {
		quoted = fmt.Sprintf("%q: ", upstream)
	}
	u, err := url.Parse(upstream)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New(quoted + `use "origin" or http://HOST[:PORT] or https://HOST[:PORT]`)
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return errors.New(quoted + "a path, query or fragment is not supported")
	case u.User != nil:
		return errors.New("a user name or a password in the URL is not supported")
	}
	return nil
}
