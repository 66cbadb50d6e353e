package controllog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// MaxScopes is how many things one entry may name, each of which is a scope or, for a URL with a query, a few. A larger
// purge is several entries.
const MaxScopes = 4096

// Errors of purges.
var (
	// ErrEmptyPurge: the purge names nothing.
	ErrEmptyPurge = errors.New("a purge must name at least one URL, tag, prefix, host, service or all")
	// ErrTooManyScopes: it names more than one entry may.
	ErrTooManyScopes = fmt.Errorf("a purge entry may have %d scopes", MaxScopes)
	// ErrAnyHost: host "*" stands with something other than a path for all its queries.
	ErrAnyHost = errors.New("host * can be purged by path only, without query: purge the service, or each host")
)

// Purge is what a purge names, as it stands in the outbox and in the log: in words, not in hashes. The
// lists are a union. It is the JSON body of a row of kind "purge".
type Purge struct {
	Mode string `json:"mode,omitempty"` // "hard" (also when empty) or "soft"
	// Service limits Tags to one service; empty: the tags of all.
	Service  string   `json:"service,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	URLs     []URL    `json:"urls,omitempty"`
	Prefixes []URL    `json:"prefixes,omitempty"` // directories: Path ends with "/"
	Hosts    []string `json:"hosts,omitempty"`
	Services []string `json:"services,omitempty"`
	All      bool     `json:"all,omitempty"`
}

// URL is a host and a path as a cache key has them: the host in lower case without port, the path byte for
// byte. A URL without query stands for all queries of the path, one with a query for that alone.
type URL struct {
	Host  string `json:"host"` // "*": this path on every host that the platform's own origin serves
	Path  string `json:"path"`
	Query string `json:"query,omitempty"` // with its leading "?"
}

// Scopes are the hashes of what the purge names. Errors: ErrEmptyPurge, ErrTooManyScopes, or what is wrong
// with a tag, a mode or a URL, such as ErrAnyHost.
func (p *Purge) Scopes() (invalidation.Mode, []object.Scope, error) {
	mode, err := invalidation.ParseMode(p.Mode)
	if err != nil {
		return 0, nil, err
	}
	n := len(p.Tags) + len(p.URLs) + len(p.Prefixes) + len(p.Hosts) + len(p.Services)
	if p.All {
		n++
	}
	switch {
	case n == 0:
		return 0, nil, ErrEmptyPurge
	case n > MaxScopes:
		return 0, nil, fmt.Errorf("%w: this one has %d", ErrTooManyScopes, n)
	}
	if err := p.checkURLs(); err != nil {
		return 0, nil, err
	}
	scopes := make([]object.Scope, 0, n)
	for _, t := range p.Tags {
		tag, err := invalidation.CanonicalTag(t)
		if err != nil {
			return 0, nil, err
		}
		scopes = append(scopes, invalidation.TagScope(p.Service, tag))
	}
	for _, u := range p.URLs {
		scopes = append(scopes, invalidation.URLScope(u.Host, u.Path, u.Query))
		if u.Query != "" {
			scopes = append(scopes, invalidation.QueryScopes(u.Host, u.Path, u.Query)...)
		}
	}
	for _, u := range p.Prefixes {
		scopes = append(scopes, invalidation.PrefixScope(u.Host, u.Path))
	}
	for _, h := range p.Hosts {
		scopes = append(scopes, invalidation.HostScope(h))
	}
	for _, s := range p.Services {
		scopes = append(scopes, invalidation.ServiceScope(s))
	}
	if p.All {
		scopes = append(scopes, invalidation.AllScope())
	}
	return mode, scopes, nil
}

// checkURLs refuses what no response would carry the scope of: a purge that is accepted reaches what it names.
func (p *Purge) checkURLs() error {
	for _, u := range p.URLs {
		switch {
		case u.Host == "*" && u.Query != "":
			return fmt.Errorf("%w: %s%s", ErrAnyHost, u.Path, u.Query)
		case !strings.HasPrefix(u.Path, "/") || u.Query != "" && u.Query[0] != '?':
			return fmt.Errorf("url %q, %q: a path begins with / and a query with ?", u.Path, u.Query)
		}
	}
	for _, u := range p.Prefixes {
		switch {
		case u.Host == "*":
			return fmt.Errorf("%w: prefix %s", ErrAnyHost, u.Path)
		case !strings.HasPrefix(u.Path, "/") || !strings.HasSuffix(u.Path, "/"):
			return fmt.Errorf("prefix %q does not begin and end with /", u.Path)
		case u.Query != "":
			return fmt.Errorf("prefix %q has a query", u.Path)
		}
	}
	if slices.Contains(p.Hosts, "*") {
		return ErrAnyHost
	}
	return nil
}
