// Package storetest holds the contract of [object.Store] as tests, which every
// implementation runs: what the cache above relies on must hold for a store in
// memory as for one over the network.
//
// It refuses to test what the contract leaves open: what is evicted when, and how
// fast anything is. Start reading at [Run].
package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"tiercache/shared/object"
)

// patience is how long anything may take before a test fails.
const patience = 10 * time.Second

// Option tells Run what a store does beyond the contract.
type Option func(*suite)

// HonoursTTL adds the test that values disappear after their ttl. The store's
// resolution must be 100 ms or finer.
func HonoursTTL() Option { return func(s *suite) { s.honoursTTL = true } }

// suite is one run of the contract.
type suite struct {
	open       func(t *testing.T) object.Store
	honoursTTL bool
	walks      bool
}

// Run runs the contract. open returns an empty store with room for at least 4 MiB
// and leaves closing it to t.Cleanup; it is called once for each test.
func Run(t *testing.T, open func(t *testing.T) object.Store, options ...Option) {
	s := &suite{open: open}
	for _, o := range options {
		o(s)
	}
	t.Run("NotFound", s.notFound)
	t.Run("RoundTrip", s.roundTrip)
	t.Run("Overwrite", s.overwrite)
	t.Run("Remove", s.remove)
	t.Run("BinaryKeys", s.binaryKeys)
	t.Run("SegmentsBesideTheirEntry", s.segmentKeys)
	t.Run("Sizes", s.sizes)
	t.Run("TooLarge", s.tooLarge)
	t.Run("BytesAreTheCallers", s.ownership)
	t.Run("Concurrent", s.concurrent)
	t.Run("EndedContext", s.endedContext)
	if s.honoursTTL {
		t.Run("TTL", s.ttl)
	}
	if s.walks {
		t.Run("Walk", s.walk)
		t.Run("WalkMeanwhile", s.walkMeanwhile)
		t.Run("WalkEnds", s.walkEnds)
	}
}

func (s *suite) notFound(t *testing.T) {
	store := s.open(t)
	wantAbsent(t, store, newKey(t))
}

func (s *suite) roundTrip(t *testing.T) {
	store, key := s.open(t), newKey(t)
	mustStore(t, store, key, []byte("value"), 0)
	wantValue(t, store, key, []byte("value"))
	wantAbsent(t, store, newKey(t))
}

func (s *suite) overwrite(t *testing.T) {
	store, key := s.open(t), newKey(t)
	for _, v := range []string{"first", "the second, which is longer", "", "3"} {
		mustStore(t, store, key, []byte(v), time.Minute)
		wantValue(t, store, key, []byte(v))
	}
}

func (s *suite) remove(t *testing.T) {
	store, key, other := s.open(t), newKey(t), newKey(t)
	mustStore(t, store, key, []byte("value"), 0)
	mustStore(t, store, other, []byte("other"), 0)
	for range 2 { // the second time it is absent
		if err := store.Remove(context.Background(), key); err != nil {
			t.Fatalf("Remove: %v", err)
		}
		wantAbsent(t, store, key)
	}
	wantValue(t, store, other, []byte("other"))
	mustStore(t, store, key, []byte("again"), 0)
	wantValue(t, store, key, []byte("again"))
}

// binaryKeys uses every byte value and keys that differ in one bit or in length.
func (s *suite) binaryKeys(t *testing.T) {
	store := s.open(t)
	keys := map[string]bool{}
	for i := range 256 {
		keys[string(bytes.Repeat([]byte{byte(i)}, 16))] = true
		keys[string(bytes.Repeat([]byte{byte(i)}, 36))] = true
		keys["{}: \r\n\x00*\xff{}}{{"+string([]byte{byte(i), byte(i >> 1)})] = true
	}
	for key := range keys {
		mustStore(t, store, key, []byte("v"+key), 0)
	}
	for key := range keys {
		wantValue(t, store, key, []byte("v"+key))
	}
}

func (s *suite) segmentKeys(t *testing.T) {
	store, key := s.open(t), newKey(t)
	a, b := object.BodyID([]byte(newKey(t))), object.BodyID([]byte(newKey(t)))
	mustStore(t, store, key, []byte("entry"), 0)
	for i := range uint32(4) {
		mustStore(t, store, object.SegmentKey(key, a, i), fmt.Append(nil, "a", i), 0)
		mustStore(t, store, object.SegmentKey(key, b, i), fmt.Append(nil, "b", i), 0)
	}
	for i := range uint32(4) {
		wantValue(t, store, object.SegmentKey(key, a, i), fmt.Append(nil, "a", i))
		wantValue(t, store, object.SegmentKey(key, b, i), fmt.Append(nil, "b", i))
	}
	if err := store.Remove(context.Background(), object.SegmentKey(key, a, 1)); err != nil {
		t.Fatalf("Remove: %v", err)
	}
	wantAbsent(t, store, object.SegmentKey(key, a, 1))
	wantValue(t, store, object.SegmentKey(key, a, 2), []byte("a2"))
	wantValue(t, store, key, []byte("entry"))
}

func (s *suite) sizes(t *testing.T) {
	store := s.open(t)
	for _, size := range []int{0, 1, 100, 4 << 10, object.SegmentSize - 1, object.SegmentSize, object.SegmentSize + 1, 300 << 10, object.MaxValueSize} {
		key, value := newKey(t), randomBytes(t, size)
		mustStore(t, store, key, value, time.Minute)
		wantValue(t, store, key, value)
	}
}

// tooLarge: what a store refuses must leave the older value and all others alone.
func (s *suite) tooLarge(t *testing.T) {
	store, key, other := s.open(t), newKey(t), newKey(t)
	mustStore(t, store, key, []byte("old"), 0)
	mustStore(t, store, other, []byte("other"), 0)
	for _, size := range []int{object.MaxValueSize + 1, 1 << 20, 5 << 20} {
		err := store.Store(context.Background(), key, make([]byte, size), time.Minute)
		if !errors.Is(err, object.ErrTooLarge) {
			t.Fatalf("Store of %d bytes: %v, want ErrTooLarge", size, err)
		}
	}
	for _, size := range []int{object.MaxKeySize + 1, 65_530, 70_000} {
		longKey := string(bytes.Repeat([]byte{'k'}, size))
		if err := store.Store(context.Background(), longKey, []byte("v"), 0); !errors.Is(err, object.ErrTooLarge) {
			t.Fatalf("Store under a key of %d bytes: %v, want ErrTooLarge", size, err)
		}
		wantAbsent(t, store, longKey)
		if err := store.Remove(context.Background(), longKey); err != nil {
			t.Fatalf("Remove of a key of %d bytes: %v", size, err)
		}
	}
	longest := string(bytes.Repeat([]byte{'k'}, object.MaxKeySize))
	mustStore(t, store, longest, []byte("longest"), 0)
	wantValue(t, store, longest, []byte("longest"))
	wantValue(t, store, key, []byte("old"))
	wantValue(t, store, other, []byte("other"))
}

func (s *suite) ownership(t *testing.T) {
	store, key := s.open(t), newKey(t)
	value := []byte("value")
	mustStore(t, store, key, value, 0)
	copy(value, "XXXXX") // the store kept no reference
	first := lookup(t, store, key)
	copy(first, "YYYYY") // nor does it hand one out
	wantValue(t, store, key, []byte("value"))
}

func (s *suite) endedContext(t *testing.T) {
	store, key := s.open(t), newKey(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if value, err := store.Lookup(ctx, key); err == nil {
		t.Fatalf("Lookup of an absent key returned %q", value)
	}
	if err := store.Store(ctx, key, []byte("v"), 0); err != nil {
		wantAbsent(t, store, key)
	}
}

func (s *suite) ttl(t *testing.T) {
	store, short, long, forever := s.open(t), newKey(t), newKey(t), newKey(t)
	mustStore(t, store, long, []byte("long"), time.Hour)
	mustStore(t, store, forever, []byte("forever"), 0)
	mustStore(t, store, short, []byte("short"), 200*time.Millisecond)
	deadline := time.Now().Add(patience)
	for {
		_, err := store.Lookup(context.Background(), short)
		if errors.Is(err, object.ErrNotFound) {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("value with a ttl of 200 ms is still there: %v", err)
		}
	}
	wantValue(t, store, long, []byte("long"))
	wantValue(t, store, forever, []byte("forever"))
}

// newKey returns a key like the digest of a cache key.
func newKey(t *testing.T) string {
	t.Helper()
	return string(randomBytes(t, 16))
}

func randomBytes(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func mustStore(t *testing.T, store object.Store, key string, value []byte, ttl time.Duration) {
	t.Helper()
	if err := store.Store(context.Background(), key, value, ttl); err != nil {
		t.Fatalf("Store of %d bytes: %v", len(value), err)
	}
}

func lookup(t *testing.T, store object.Store, key string) []byte {
	t.Helper()
	value, err := store.Lookup(context.Background(), key)
	if err != nil {
		t.Fatalf("Lookup: %v", err)
	}
	return value
}

func wantValue(t *testing.T, store object.Store, key string, want []byte) {
	t.Helper()
	if got := lookup(t, store, key); !bytes.Equal(got, want) {
		t.Fatalf("Lookup returned %d bytes %.40q, want %d bytes %.40q", len(got), got, len(want), want)
	}
}

func wantAbsent(t *testing.T, store object.Store, key string) {
	t.Helper()
	if value, err := store.Lookup(context.Background(), key); !errors.Is(err, object.ErrNotFound) {
		t.Fatalf("Lookup: %.40q, %v, want ErrNotFound", value, err)
	}
}
