package l1

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/object"
)

// narrow is a hasher with few hashes: of 40 keys some always collide. Its hashes differ in the bits that choose
// shards, slots and buckets.
type narrow struct{ hashes uint64 }

func (n narrow) Sum64(key string) uint64 {
	sum := uint64(0)
	for _, b := range []byte(key) {
		sum = sum*31 + uint64(b)
	}
	return max((sum%n.hashes)*0x9E3779B97F4A7C15, 1)
}

// tiny is the layout of a cache that a few values fill.
func tiny() layout {
	l := layout{uses: 1 << 14, ghosts: 1 << 12, small: rings{shards: 1, mib: 1}, main: rings{shards: 2, mib: 4}}
	l.small.lay()
	l.main.lay()
	return l
}

func newTiny(t interface{ Fatal(...any) }, hashes uint64) *Cache {
	c, err := tiny().open(narrow{hashes})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// model is what was stored last under each key.
type model struct {
	c      *Cache
	last   map[string][]byte
	stores int
}

func drawKey(t *rapid.T) string {
	key := fmt.Sprintf("%016d", rapid.IntRange(0, 39).Draw(t, "key"))
	if rapid.IntRange(0, 3).Draw(t, "segment") == 0 {
		return object.SegmentKey(key, object.BodyID{}, 1)
	}
	return key
}

func (m *model) store(t *rapid.T, key string, size int) {
	m.stores++
	value := bytes.Repeat(fmt.Appendf(nil, "%s:%d;", key, m.stores), size/8+1)[:size]
	if err := m.c.Store(ctx, key, value, 0); err != nil {
		t.Fatal(err)
	}
	m.last[key] = value
	if got, err := m.c.Lookup(ctx, key); err != nil || !bytes.Equal(got, value) {
		t.Fatalf("%q was just stored with %d bytes: %d, %v", key, size, len(got), err)
	}
}

// find wants what was stored last, or nothing.
func (m *model) find(t *rapid.T, key string) (found bool) {
	got, err := m.c.Lookup(ctx, key)
	if errors.Is(err, object.ErrNotFound) {
		return false
	}
	if want, ok := m.last[key]; err != nil || !ok || !bytes.Equal(got, want) {
		t.Fatalf("%q: %.40q, %v, stored last %.40q, %v", key, got, err, want, ok)
	}
	return true
}

func (m *model) remove(t *rapid.T, key string) {
	if err := m.c.Remove(ctx, key); err != nil {
		t.Fatal(err)
	}
	delete(m.last, key)
	m.find(t, key)
}

// findAll wants that no other key's value is found, and that the books are right.
func (m *model) findAll(t *rapid.T) {
	found := 0
	for key := range m.last {
		if m.find(t, key) {
			found++
		}
	}
	if s := m.c.Stats(); s.Entries != found {
		t.Fatalf("%d values are found, %+v", found, s)
	}
}

// check wants that rings keep to their size, and that nothing is left on its way.
func (m *model) check(t *rapid.T) {
	if s := m.c.Stats(); s.Bytes > s.Capacity || s.Entries > len(m.last) {
		t.Fatalf("%d keys were stored, %+v", len(m.last), s)
	}
	for i := range m.c.stripes {
		if s := &m.c.stripes[i]; len(s.mu.queue) != 0 || s.mu.queued != 0 {
			t.Fatalf("%d values, %d bytes are left in a queue", len(s.mu.queue), s.mu.queued)
		}
	}
}

// walk wants each entry once, as it is.
func (m *model) walk(t *rapid.T) {
	walked, entries := 0, 0
	for item, err := range m.c.Walk(ctx) {
		if err != nil || !bytes.Equal(item.Value, m.last[item.Key]) {
			t.Fatalf("the walk has %q with %.40q, %v", item.Key, item.Value, err)
		}
		walked++
	}
	for key := range m.last {
		if len(key) == object.EntryKeySize && m.find(t, key) {
			entries++
		}
	}
	if walked != entries {
		t.Fatalf("the walk has %d entries of %d", walked, entries)
	}
}

// TestCache_Property: whatever is done in whatever order, what is found is what was stored last under that very key, what
// was removed is gone, and memory is bounded.
func TestCache_Property(t *testing.T) {
	if raceDetector { // it makes fresh memory dear, and looks for what one goroutine cannot do
		if err := flag.Set("rapid.checks", "15"); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		m := &model{c: newTiny(t, rapid.SampledFrom([]uint64{7, 40, 1 << 40}).Draw(t, "hashes")), last: map[string][]byte{}}
		t.Repeat(map[string]func(*rapid.T){
			"": m.check,
			"store": func(t *rapid.T) {
				m.store(t, drawKey(t), rapid.SampledFrom([]int{0, 10, 5000, 100_000, object.MaxValueSize}).Draw(t, "size"))
			},
			"ask": func(t *rapid.T) {
				key := drawKey(t)
				for range rapid.IntRange(1, 4).Draw(t, "times") {
					m.find(t, key)
				}
			},
			"walk":   m.walk,
			"all":    m.findAll,
			"remove": func(t *rapid.T) { m.remove(t, drawKey(t)) },
			"scan": func(t *rapid.T) {
				for range rapid.IntRange(1, 4).Draw(t, "values") {
					m.store(t, drawKey(t), object.SegmentSize)
				}
			},
		})
	})
}
