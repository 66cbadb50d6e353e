package l1

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"tiercache/shared/object"
)

// TestCache_Concurrent: each worker has keys of its own, and so knows what they must hold, while all of them fill the
// same rings; everybody asks for a few keys whose values are in use all the time, so they are found whatever moves.
func TestCache_Concurrent(t *testing.T) {
	c := newTiny(t, 1<<62)
	const popular = 20
	for i := range popular {
		mustPut(t, c, entryKey("popular", i), 0)
		for range 3 {
			wantPut(t, c, entryKey("popular", i), 0, true)
		}
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			last := map[int]int{}
			for n := 1; n < 1500; n++ {
				i := random.IntN(100)
				key := entryKey(fmt.Sprint("own", worker), i)
				switch random.IntN(4) {
				case 0:
					if err := c.Remove(ctx, key); err != nil {
						t.Error(err)
					}
					delete(last, i)
				case 1:
					wantPut(t, c, key, last[i], false)
				default:
					mustPut(t, c, key, n)
					last[i] = n
				}
				wantPut(t, c, entryKey("popular", n%popular), 0, true)
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			for item, err := range c.Walk(ctx) {
				if err != nil || !bytes.HasPrefix(item.Value, []byte(item.Key)) {
					t.Errorf("the walk has %q with %.40q, %v", item.Key, item.Value, err)
				}
			}
		}
	})
	wg.Wait()
	if s := c.Stats(); s.Promoted == 0 || s.Reinserted == 0 || s.Rejected == 0 {
		t.Errorf("nothing moved: %+v", s)
	}
}

// put is the value of a key's nth store.
func put(key string, n int) []byte {
	return append(fmt.Appendf(nil, "%s:%d;", key, n), make([]byte, 100+n*7919%30_000)...)
}

func mustPut(t *testing.T, c *Cache, key string, n int) {
	if err := c.Store(ctx, key, put(key, n), 0); err != nil {
		t.Error(err)
	}
}

// wantPut wants the value of the nth store, or nothing, where it need not be there.
func wantPut(t *testing.T, c *Cache, key string, n int, there bool) {
	got, err := c.Lookup(ctx, key)
	if errors.Is(err, object.ErrNotFound) && !there {
		return
	}
	if err != nil || !bytes.Equal(got, put(key, n)) {
		t.Errorf("%q: %.40q, %v, want that of store %d", key, got, err, n)
	}
}

// TestCache_WalkMissesNothing: values that are promoted and reinserted while a walk goes on are seen, and seen once.
func TestCache_WalkMissesNothing(t *testing.T) {
	c := newTiny(t, 1<<62)
	f := &fixture{T: t, c: c}
	const kept = 100
	for i := range kept {
		f.store(entryKey("kept", i), 1<<10)
		for range 3 {
			f.has(entryKey("kept", i))
		}
	}
	for range 10 {
		seen := map[string]int{}
		for item, err := range c.Walk(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			seen[item.Key]++
			f.scan(24 << 10)
			f.has(entryKey("kept", f.n%kept))
		}
		for i := range kept {
			key := entryKey("kept", i)
			if n := seen[key]; n != 1 && f.has(key) {
				t.Fatalf("%q was seen %d times", key, n)
			}
		}
		for key, n := range seen {
			if n != 1 {
				t.Fatalf("%q was seen %d times", key, n)
			}
		}
	}
	if s := c.Stats(); s.Reinserted == 0 {
		t.Errorf("nothing was reinserted: %+v", s)
	}
}
