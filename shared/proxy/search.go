package proxy

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// No-Vary-Search says which differences between the queries of a path do not matter. A node remembers what the responses
// of a path say, and asks for, and keeps, one response for all queries between which it makes no difference.
//
// INVARIANT: whoever is given a response under another query than it was asked for is given one that itself says that
// the difference does not matter, and that the upstream was asked for without what does not matter. So nobody can
// choose, by a parameter that does not count, what others are given: a response that teaches the rule is found by its
// own URL alone unless that has nothing superfluous in it.

// maxSearchRules bounds the paths that a node remembers rules of.
const maxSearchRules = 4096

const searchField = "No-Vary-Search"

// searches are the rules that a node has learnt. It is safe for concurrent use.
type searches struct {
	known atomic.Int64 // how many; while there are none, requests look at nothing else
	mu    struct {
		sync.RWMutex
		rules map[searchKey]*searchRule
		ring  []*searchRule // by slot, nil where one was dropped
		hand  int           // next to be evicted, unless it was used since it was passed
	}
}

// searchKey is what a rule is about: all queries of a path.
type searchKey struct{ service, scheme, host, path string }

// searchRule is a rule and the response's field that it was read from. It is immutable but for used.
type searchRule struct {
	key   searchKey
	slot  int
	lines []string
	rule  httpcache.SearchRule
	until time.Time
	used  atomic.Bool
}

// of returns the rule for a path, nil for none.
func (s *searches) of(key searchKey, now time.Time) *searchRule {
	if s.known.Load() == 0 {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	rule := s.mu.rules[key]
	if rule == nil || now.After(rule.until) {
		return nil
	}
	rule.used.Store(true)
	return rule
}

// learn takes what the newest response of a path says; that it says nothing replaces a rule as well.
func (s *searches) learn(key searchKey, h httpcache.Fields, until time.Time) {
	rule := &searchRule{rule: httpcache.ParseSearchRule(h), until: until}
	if rule.rule.Default() {
		s.forget(key)
		return
	}
	for line := range h.Values(searchField) {
		rule.lines = append(rule.lines, strings.Clone(line))
	}
	rule.key = searchKey{strings.Clone(key.service), strings.Clone(key.scheme), strings.Clone(key.host), strings.Clone(key.path)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.rules == nil {
		s.mu.rules = map[searchKey]*searchRule{}
	}
	if old := s.mu.rules[key]; old != nil {
		rule.slot = old.slot
	} else {
		rule.slot = s.room()
	}
	s.mu.ring[rule.slot] = rule
	s.mu.rules[rule.key] = rule
	s.known.Store(int64(len(s.mu.rules)))
}

// room is a free slot. The lock is held. A rule that was used since the hand last passed it is passed once more.
func (s *searches) room() (slot int) {
	if len(s.mu.ring) < maxSearchRules {
		s.mu.ring = append(s.mu.ring, nil)
		return len(s.mu.ring) - 1
	}
	for {
		slot, s.mu.hand = s.mu.hand, (s.mu.hand+1)%maxSearchRules
		rule := s.mu.ring[slot]
		switch {
		case rule == nil:
			return slot
		case !rule.used.Swap(false):
			delete(s.mu.rules, rule.key)
			return slot
		}
	}
}

// forget drops the rule of a path, if there is one.
func (s *searches) forget(key searchKey) {
	if s.known.Load() == 0 {
		return
	}
	s.mu.RLock()
	rule := s.mu.rules[key]
	s.mu.RUnlock()
	if rule == nil { // mostly
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if rule = s.mu.rules[key]; rule == nil {
		return
	}
	s.mu.ring[rule.slot] = nil
	delete(s.mu.rules, key)
	s.known.Store(int64(len(s.mu.rules)))
}

// searchKeyOf is that of a target.
func searchKeyOf(service, scheme, host, target string) searchKey {
	path, _, _ := strings.Cut(target, "?")
	return searchKey{service, scheme, host, path}
}

// normalise takes out of the request's target what does not matter by the rule of its path, if one is known. What the
// operator has said of queries comes first.
func (p *Proxy) normalise(r *request) {
	if p.searches.known.Load() == 0 || r.ruling.Query != nil || strings.IndexByte(r.target, '?') < 0 {
		return
	}
	rule := p.searches.of(searchKeyOf(r.service.Name, r.scheme, r.host, r.target), r.now)
	if rule == nil {
		return
	}
	if target := rule.rule.Normalise(r.target); target != r.target {
		r.received, r.target, r.search = r.target, target, rule
	}
}

// asReceived makes the request again one for the target that the client sent, for as long as it lasts.
func (r *request) asReceived() {
	if r.search != nil {
		r.target, r.search = r.received, nil
		r.setKey()
	}
}

// covers reports whether the request may be given a response with that header: whether it says itself that what was
// taken out of the request's target does not matter.
func (r *request) covers(h httpcache.Indexed) bool {
	if r.search == nil {
		return true
	}
	for i, want := range r.search.lines {
		if line, ok := h.Line(searchField, i); !ok || line != want {
			return false
		}
	}
	_, more := h.Line(searchField, len(r.search.lines))
	return !more
}

// coveredBy is covers for what a flight yielded. An upstream that fails says nothing of queries.
func (r *request) coveredBy(res *result) bool {
	switch {
	case r.search == nil, res.alone, httpcache.ErrorStatus(res.fwdStatus) && !res.stale:
		return true
	case res.solo != nil:
		return r.covers(res.solo.fields)
	}
	return r.covers(&res.head.Fields)
}

// learnSearch takes what a response that is stored says of its path. The rule lasts as long as the response is kept.
func (j *fill) learnSearch(fields httpcache.Fields, head *object.Head) {
	key := searchKeyOf(j.service.Name, j.request.Scheme, j.request.Host, j.request.Target)
	j.p.searches.learn(key, fields, j.p.now().Add(j.keepFor(&head.Meta)))
}

// alike are the targets under which what is stored for target may be found, other than itself: an unsafe method makes
// the resource invalid, and by the rule of its path that is one resource.
func (p *Proxy) alike(r *request, target string) (targets []string) {
	for _, scheme := range [...]string{"http", "https"} {
		if rule := p.searches.of(searchKeyOf(r.service.Name, scheme, r.host, target), r.now); rule != nil {
			if other := rule.rule.Normalise(target); other != target {
				targets = append(targets, other)
			}
		}
	}
	return targets
}

// keptForMany reports whether the response is kept for more URLs than its own.
func keptForMany(h httpcache.Fields) bool {
	rule := httpcache.ParseSearchRule(h)
	return !rule.Default()
}
