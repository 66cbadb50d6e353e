package policy

import (
	"fmt"
	"strings"
)

// Match is a service as a node uses it: the document with what is computed from it once.
type Match struct {
	Service
	// Print is the document's Fingerprint.
	Print uint64

	compiled []compiled // of Rules
}

// Set finds the service of a host. It is immutable: a new policy is a new Set.
type Set struct {
	exact    map[string]*Match
	wildcard map[string]*Match // by the suffix behind "*."
	any      *Match
	all      []*Match
}

// NewSet validates the documents and builds the index. Two services may not claim the same host
// pattern; the more exact pattern wins at a match. Errors: *FieldError, its path beginning with services[N].
func NewSet(services []Service) (*Set, error) {
	set := &Set{exact: map[string]*Match{}, wildcard: map[string]*Match{}}
	names := map[string]bool{}
	for i := range services {
		s := services[i]
		at := fmt.Sprintf("services[%d]", i)
		if err := s.validate(); err != nil {
			return nil, err.in(at)
		}
		if names[s.Name] {
			return nil, &FieldError{at + ".name", fmt.Sprintf("%q is used twice", s.Name)}
		}
		names[s.Name] = true
		m := &Match{Service: s, Print: s.Fingerprint(), compiled: compile(s.Rules)}
		set.all = append(set.all, m)
		for j, h := range s.Hosts {
			if other := set.claim(h, m); other != nil {
				return nil, &FieldError{fmt.Sprintf("%s.hosts[%d]", at, j), fmt.Sprintf("%q is claimed by %s and %s", h, other.Name, m.Name)}
			}
		}
	}
	return set, nil
}

// claim registers a pattern; it returns the service that has it already.
func (s *Set) claim(pattern string, m *Match) (other *Match) {
	if pattern == "*" {
		if s.any != nil {
			return s.any
		}
		s.any = m
		return nil
	}
	index := s.exact
	suffix, wild := strings.CutPrefix(pattern, "*.")
	if wild {
		index = s.wildcard
	}
	if index[suffix] != nil {
		return index[suffix]
	}
	index[suffix] = m
	return nil
}

// Match returns the service of a host (lower-case, without port), nil when there is none.
// It does not allocate.
func (s *Set) Match(host string) *Match {
	if len(s.exact) > 0 {
		if m := s.exact[host]; m != nil {
			return m
		}
	}
	if len(s.wildcard) > 0 {
		for rest := host; ; {
			dot := strings.IndexByte(rest, '.')
			if dot < 0 {
				break
			}
			rest = rest[dot+1:]
			if m := s.wildcard[rest]; m != nil {
				return m
			}
		}
	}
	return s.any
}

// All lists the services in the order of their documents.
func (s *Set) All() []*Match { return s.all }
