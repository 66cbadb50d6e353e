package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"tiercache/shared/object"
)

// Walks adds the contract of [object.Walker], which the store must be.
func Walks() Option { return func(s *suite) { s.walks = true } }

// walkable is a store with its walk.
func (s *suite) walkable(t *testing.T) (object.Store, object.Walker) {
	t.Helper()
	store := s.open(t)
	walker, ok := store.(object.Walker)
	if !ok {
		t.Fatalf("%T is no object.Walker", store)
	}
	return store, walker
}

// walk goes through a store with heads of all lengths, with segments, and bodies that may be cut off.
func (s *suite) walk(t *testing.T) {
	store, walker := s.walkable(t)
	wantWalk(t, walker, map[string][]byte{})
	want := map[string][]byte{}
	for i := range 300 {
		key := newKey(t)
		head := &object.Head{
			Kind: object.KindResponse, Key: fmt.Sprint("key ", i), Stamp: uint64(i), BodySize: int64(i * 20),
			Scopes: make([]object.Scope, i), Fields: object.Block(bytes.Repeat([]byte{'f'}, i*i%9000)),
		}
		entry := object.AppendEntry(nil, head, randomBytes(t, i*20))
		mustStore(t, store, key, entry, time.Minute)
		want[key] = entry[:len(entry)-i*20]
		if i%10 == 0 {
			mustStore(t, store, object.SegmentKey(key, object.BodyID{}, 1), randomBytes(t, 2000), time.Minute)
		}
	}
	odd := newKey(t)
	mustStore(t, store, odd, []byte("no entry"), time.Minute)
	want[odd] = []byte("no entry")
	gone := slices.Sorted(maps.Keys(want))[7]
	if err := store.Remove(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	delete(want, gone)
	wantWalk(t, walker, want)
	if n, err := walker.Values(t.Context()); err != nil || n < len(want)+29 {
		t.Errorf("Values: %d, %v; there are %d entries and 29 segments at least", n, err, len(want))
	}
}

// wantWalk wants each value once, and that it begins as said.
func wantWalk(t *testing.T, walker object.Walker, want map[string][]byte) {
	t.Helper()
	seen := map[string]bool{}
	passed := 0
	for item, err := range walker.Walk(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		head, ok := want[item.Key]
		if !ok || !bytes.HasPrefix(item.Value, head) {
			t.Fatalf("%x: %d bytes, known %v, want a begin of %d", item.Key, len(item.Value), ok, len(head))
		}
		if item.Passed <= passed {
			t.Fatalf("passed %d behind %d", item.Passed, passed)
		}
		passed = item.Passed
		seen[item.Key] = true
	}
	if len(seen) != len(want) {
		t.Fatalf("%d values of %d", len(seen), len(want))
	}
}

// walkMeanwhile changes a store while it is gone through: what stays must be seen.
func (s *suite) walkMeanwhile(t *testing.T) {
	store, walker := s.walkable(t)
	stays := map[string]bool{}
	var goes []string
	for i := range 400 {
		key := newKey(t)
		mustStore(t, store, key, []byte("value"), time.Minute)
		if i%2 == 0 {
			stays[key] = true
		} else {
			goes = append(goes, key)
		}
	}
	next, stop := iter.Pull2(walker.Walk(t.Context()))
	defer stop()
	for i := 0; ; i++ {
		item, err, more := next()
		if !more {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		delete(stays, item.Key)
		if i < len(goes) {
			if err := store.Remove(t.Context(), goes[i]); err != nil {
				t.Fatal(err)
			}
			mustStore(t, store, newKey(t), []byte("new"), time.Minute)
		}
	}
	if len(stays) > 0 {
		t.Errorf("%d values that stayed were not seen", len(stays))
	}
}

// walkEnds wants a walk to stop when it is told to, and with the error of its context.
func (s *suite) walkEnds(t *testing.T) {
	store, walker := s.walkable(t)
	for range 50 {
		mustStore(t, store, newKey(t), []byte("value"), time.Minute)
	}
	for _, err := range walker.Walk(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range walker.Walk(ctx) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("a walk in a context that has ended ends with %v", last)
	}
}
