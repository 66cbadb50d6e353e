package l1

import (
	"errors"
	"sync"
	"testing"

	"tiercache/shared/object"
)

// TestCache_WhileAllMoves keeps main going round, half of it in use, and meanwhile wants that what is in use is always
// found, and by every walk; and that what was removed while it moved does not come back.
func TestCache_WhileAllMoves(t *testing.T) {
	c := newTiny(t, 1<<62)
	const keys, size, rounds = 40, 10 << 10, 4000 // what is in use side by side is less than one Store may move
	churn := &fixture{T: t, c: c}
	use := func(f *fixture, key string) {
		f.store(key, size)
		for range 8 {
			f.has(key)
		}
	}
	for i := range keys {
		use(churn, entryKey("stays", i))
		use(churn, entryKey("goes", i))
	}
	churn.scan(3 * mib / 2) // all of them are in main now
	for i := range keys {
		use(churn, entryKey("stays", i))
	}
	turns := make(chan struct{}, 300) // of whoever fills main: few enough that nothing in use has lost all its uses
	var others sync.WaitGroup
	defer others.Wait()
	defer close(turns)
	others.Go(func() {
		i := 0
		for range turns {
			i++
			use(churn, entryKey("new", i))
		}
	})
	others.Go(func() {
		for range 30 {
			seen := map[string]bool{}
			for item := range c.Walk(ctx) {
				seen[item.Key] = true
			}
			for i := range keys {
				if !seen[entryKey("stays", i)] {
					t.Errorf("a walk has not seen value %d", i)
				}
			}
		}
	})
	f := &fixture{T: t, c: c}
	for round := range rounds {
		for len(turns) < cap(turns) {
			turns <- struct{}{}
		}
		key := entryKey("goes", round*7%keys)
		if round >= keys && f.has(key) {
			t.Fatalf("%q was removed and is back in round %d", key, round)
		}
		use(f, key)
		removed := entryKey("goes", (round+keys/2)*7%keys)
		if err := c.Remove(ctx, removed); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Lookup(ctx, removed); !errors.Is(err, object.ErrNotFound) {
			t.Fatalf("%q was just removed: %v", removed, err)
		}
		for i := range keys {
			if key := entryKey("stays", i); !f.has(key) {
				t.Fatalf("%q is in use and not found in round %d: %+v", key, round, c.Stats())
			}
		}
	}
	if s := c.Stats(); s.Reinserted < keys {
		t.Errorf("hardly anything moved: %+v", s)
	}
}
