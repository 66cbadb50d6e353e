package object_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// expiring is a store with expiry that notes the order of what is done to it.
type expiring struct {
	tracing
	extended []time.Duration
}

func (s *expiring) Extend(ctx context.Context, key string, ttl time.Duration) error {
	s.calls, s.extended = append(s.calls, "extend "+key), append(s.extended, ttl)
	_, err := s.Lookup(ctx, key)
	return err
}

// freshen stores a body of that size and then its entry again, with a new field.
func freshen(t *testing.T, store object.Store, size int, lose string) error {
	t.Helper()
	ctx := context.Background()
	commit(t, store, pattern(size), object.UnknownLength, 1<<20)
	value, err := store.Lookup(ctx, testKey)
	if err != nil {
		t.Fatal(err)
	}
	h, inline := mustDecode(t, value)
	h.Fields = object.MakeBlock(httpcache.Fields{{Name: "ETag", Value: `"v2"`}})
	if lose != "" {
		if err := store.Remove(ctx, lose); err != nil {
			t.Fatal(err)
		}
	}
	return object.Freshen(ctx, store, testKey, h, inline, time.Hour)
}

func TestFreshen_KeepsTheBody(t *testing.T) {
	for _, size := range []int{0, 100, object.SegmentSize + 1} {
		for name, store := range map[string]object.Store{"with expiry": &expiring{}, "without": &tracing{}} {
			if err := freshen(t, store, size, ""); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			value, err := store.Lookup(context.Background(), testKey)
			if err != nil {
				t.Fatal(err)
			}
			if h, _ := mustDecode(t, value); h.Fields.Value("etag") != `"v2"` {
				t.Errorf("%s: entry has the fields %q", name, h.Fields)
			}
			if got, err := io.ReadAll(open(t, store)); err != nil || !slices.Equal(got, pattern(size)) {
				t.Errorf("%s: %d of %d bytes, %v", name, len(got), size, err)
			}
		}
	}
}

// TestFreshen_SegmentsOutliveTheEntry: they are extended before the entry is
// stored, and to a later end.
func TestFreshen_SegmentsOutliveTheEntry(t *testing.T) {
	store := &expiring{}
	if err := freshen(t, store, object.SegmentSize+1, ""); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"extend " + object.SegmentKey(testKey, testID, 0),
		"extend " + object.SegmentKey(testKey, testID, 1),
		"store " + testKey,
	}
	if got := store.calls[len(store.calls)-3:]; !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
	if slices.Min(store.extended) <= time.Hour {
		t.Errorf("segments are kept for %v, the entry for an hour", store.extended)
	}
}

func TestFreshen_BodyIsGone(t *testing.T) {
	store := &expiring{}
	err := freshen(t, store, object.SegmentSize+1, object.SegmentKey(testKey, testID, 1))
	if !errors.Is(err, object.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
	if last := store.calls[len(store.calls)-1]; last == "store "+testKey {
		t.Error("the entry was stored without its body")
	}
}
