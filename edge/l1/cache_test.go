package l1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"

	"tiercache/shared/object"
	"tiercache/shared/object/storetest"
)

var ctx = context.Background()

func newCache(t testing.TB, size int64) *Cache {
	t.Helper()
	c, err := New(Config{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCache_Contract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) object.Store { return newCache(t, MinSize) }, storetest.Walks())
}

func TestCache_HasNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	c := newCache(t, MinSize)
	if err := c.Store(ctx, "k", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}

// TestCache_Model stores four times the budget in values of all sizes, replaces
// and removes some, and compares every answer with a map: what is found must be
// what was stored last, and what was stored just now must be found.
func TestCache_Model(t *testing.T) {
	c := newCache(t, MinSize)
	random := rand.New(rand.NewPCG(1, 2))
	model := map[string][]byte{}
	stored := 0
	for stored < 4*MinSize {
		key := fmt.Sprintf("key-%04d", random.IntN(2000))
		switch random.IntN(10) {
		case 0:
			if err := c.Remove(ctx, key); err != nil {
				t.Fatal(err)
			}
			delete(model, key)
			wantOrAbsent(t, c, key, nil)
		case 1, 2, 3:
			wantOrAbsent(t, c, key, model[key])
		default:
			value := randomValue(random)
			if err := c.Store(ctx, key, value, 0); err != nil {
				t.Fatal(err)
			}
			model[key] = value
			stored += len(value)
			if got, err := c.Lookup(ctx, key); err != nil || !bytes.Equal(got, value) {
				t.Fatalf("just stored %d bytes: %d bytes, %v", len(value), len(got), err)
			}
		}
	}
	found := 0
	for key, value := range model {
		found += wantOrAbsent(t, c, key, value)
	}
	s := c.Stats()
	if found != s.Entries || found == 0 || s.Evictions == 0 {
		t.Errorf("%d values found, stats %+v", found, s)
	}
	if s.Bytes != s.Capacity || s.Capacity > MinSize {
		t.Errorf("rings are not full-grown within the budget: %+v", s)
	}
}

// wantOrAbsent returns 1 when the value is there, in which case it must be want.
func wantOrAbsent(t *testing.T, c *Cache, key string, want []byte) int {
	t.Helper()
	got, err := c.Lookup(ctx, key)
	if errors.Is(err, object.ErrNotFound) {
		return 0
	}
	if err != nil || want == nil || !bytes.Equal(got, want) {
		t.Fatalf("%q: %d bytes, %v, want %d bytes", key, len(got), err, len(want))
	}
	return 1
}

// randomValue has a size like a cache's: many small ones, some full segments.
func randomValue(random *rand.Rand) []byte {
	size := random.IntN(4 << 10)
	switch random.IntN(10) {
	case 0:
		size = object.SegmentSize + 36
	case 1, 2:
		size = random.IntN(64 << 10)
	}
	return bytes.Repeat([]byte{byte(random.Uint32())}, size)
}

// TestCache_LargeValuesOnly fills every ring with values of the largest size: each
// must fit at once, in whatever state its ring is.
func TestCache_LargeValuesOnly(t *testing.T) {
	for _, size := range []int64{MinSize, 16 * mib, 64 * mib} {
		c := newCache(t, size)
		value := make([]byte, object.MaxValueSize)
		key := bytes.Repeat([]byte{'k'}, object.MaxKeySize)
		for i := range 2 * size / maxEntry {
			copy(key, fmt.Sprintf("%08d", i))
			if err := c.Store(ctx, string(key), value, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Lookup(ctx, string(key)); err != nil {
				t.Fatalf("value %d of a budget of %d: %v", i, size, err)
			}
		}
		if s := c.Stats(); s.Entries < 8*c.layout.main.shards || s.Evictions == 0 {
			t.Errorf("budget of %d: %+v, want at least 8 values a shard", size, s)
		}
	}
}

// TestCache_TooLargeEvictsNothing: bigcache itself would first empty the ring.
func TestCache_TooLargeEvictsNothing(t *testing.T) {
	c := newCache(t, MinSize)
	for i := range 100 {
		if err := c.Store(ctx, fmt.Sprint(i), []byte("v"), 0); err != nil {
			t.Fatal(err)
		}
		if err := c.Store(ctx, fmt.Sprint("large", i), make([]byte, 5*mib), 0); !errors.Is(err, object.ErrTooLarge) {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s.Entries != 100 || s.Refused != 100 || s.Evictions != 0 {
		t.Errorf("%+v", s)
	}
}

// sameHash makes all keys collide.
type sameHash struct{}

func (sameHash) Sum64(string) uint64 { return 42 }

func TestCache_CollisionIsAMiss(t *testing.T) {
	c, err := open(Config{Size: MinSize}, sameHash{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if err := c.Store(ctx, key, []byte("of "+key), 0); err != nil {
			t.Fatal(err)
		}
	}
	if value, err := c.Lookup(ctx, "a"); !errors.Is(err, object.ErrNotFound) {
		t.Errorf("a: %q, %v", value, err)
	}
	if value, err := c.Lookup(ctx, "b"); err != nil || string(value) != "of b" {
		t.Errorf("b: %q, %v", value, err)
	}
	if s := c.Stats(); s.Collisions != 1 || s.Hits != 1 || s.Entries != 1 {
		t.Errorf("%+v", s)
	}
}

func TestCache_StartsSmall(t *testing.T) {
	s := newCache(t, 64*mib).Stats()
	if s.Bytes > 8*mib || s.Capacity < 56*mib {
		t.Errorf("a budget of 64 MiB starts with %d bytes of %d", s.Bytes, s.Capacity)
	}
}

func BenchmarkCache_Lookup(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, object.SegmentSize} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := newCache(b, 16*mib)
			if err := c.Store(ctx, "0123456789abcdef", make([]byte, size), 0); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := c.Lookup(ctx, "0123456789abcdef"); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkCache_Store measures stores that each evict.
func BenchmarkCache_Store(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, object.SegmentSize} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := newCache(b, 16*mib)
			value := make([]byte, size)
			key := []byte("00000000abcdefgh")
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				key[0], key[1], key[2], key[3] = byte(i), byte(i>>8), byte(i>>16), byte(i>>24)
				if err := c.Store(ctx, string(key), value, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
