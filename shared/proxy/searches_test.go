package proxy

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"tiercache/shared/httpcache"
)

func pathOf(i int) searchKey { return searchKey{"s", "http", "h", fmt.Sprint("/", i)} }

func TestSearches_AreBoundedAndKeepWhatIsUsed(t *testing.T) {
	var s searches
	now := time.Now()
	rule := httpcache.Fields{{Name: "No-Vary-Search", Value: "params"}}
	for i := range 3 * maxSearchRules {
		s.learn(pathOf(i), rule, now.Add(time.Minute))
		if i >= 10 && i%100 == 0 {
			for k := range 10 {
				if s.of(pathOf(k), now) == nil {
					t.Fatalf("after %d paths, %d is gone although it is used", i, k)
				}
			}
		}
	}
	if n := s.known.Load(); n != maxSearchRules || len(s.mu.rules) != maxSearchRules || len(s.mu.ring) != maxSearchRules {
		t.Errorf("%d rules, %d, %d slots", n, len(s.mu.rules), len(s.mu.ring))
	}
	for i := range 3 * maxSearchRules {
		s.learn(pathOf(i), nil, now)
	}
	if n := s.known.Load(); n != 0 || len(s.mu.rules) != 0 {
		t.Errorf("%d rules are left", n)
	}
	for i := range 2 * maxSearchRules {
		s.learn(pathOf(i), rule, now.Add(time.Minute))
	}
	if s.known.Load() != maxSearchRules || len(s.mu.ring) != maxSearchRules {
		t.Errorf("%d rules, %d slots", s.known.Load(), len(s.mu.ring))
	}
}

func TestSearches_End(t *testing.T) {
	var s searches
	now := time.Now()
	rule := httpcache.Fields{{Name: "No-Vary-Search", Value: "params"}}
	s.learn(pathOf(1), rule, now.Add(time.Minute))
	if s.of(pathOf(1), now) == nil || s.of(pathOf(2), now) != nil || s.of(pathOf(1), now.Add(2*time.Minute)) != nil {
		t.Error("a rule is for its path and its time")
	}
	s.learn(pathOf(1), rule, now.Add(time.Hour))
	if s.of(pathOf(1), now.Add(2*time.Minute)) == nil || s.known.Load() != 1 {
		t.Error("a rule that is said again lasts longer")
	}
}

// A node that has learnt no rule pays nothing, one that has pays a look.
func TestSearches_DoNotAllocate(t *testing.T) {
	var s searches
	now := time.Now()
	s.learn(pathOf(1), httpcache.Fields{{Name: "No-Vary-Search", Value: "params"}}, now.Add(time.Minute))
	key, other := pathOf(1), pathOf(2)
	if n := testing.AllocsPerRun(100, func() { s.of(key, now); s.of(other, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSearches_ManyAtATime(t *testing.T) {
	var s searches
	now := time.Now()
	rule := httpcache.Fields{{Name: "No-Vary-Search", Value: "params"}}
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range 5000 {
				switch (i + g) % 3 {
				case 0:
					s.learn(pathOf(i), rule, now)
				case 1:
					s.forget(pathOf(i / 2))
				default:
					s.of(pathOf(i), now)
				}
			}
		})
	}
	group.Wait()
	if n := int(s.known.Load()); n != len(s.mu.rules) || n > maxSearchRules {
		t.Errorf("%d rules are known, %d are there", n, len(s.mu.rules))
	}
}
