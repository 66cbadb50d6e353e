package object_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"tiercache/shared/object"
	"tiercache/shared/object/storetest"
)

// tracing is a store that notes the order of calls and fails where it is told to.
type tracing struct {
	storetest.Memory
	calls []string // "store" or "remove" and the key
	ttls  []time.Duration
	fail  func(key string) error // nil: never
	late  error                  // what a failing Store returns after it has stored
}

func (s *tracing) Store(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	s.calls, s.ttls = append(s.calls, "store "+key), append(s.ttls, ttl)
	if s.fail != nil {
		if err := s.fail(key); err != nil {
			return err
		}
	}
	if err := s.Memory.Store(ctx, key, value, ttl); err != nil {
		return err
	}
	clear(value) // a store may not be given what is needed later
	return s.late
}

func (s *tracing) Remove(ctx context.Context, key string) error {
	s.calls = append(s.calls, "remove "+key)
	return s.Memory.Remove(ctx, key)
}

func newWriter(store object.Store, length int64) *object.Writer {
	return object.NewWriter(context.Background(), store, object.WriterConfig{Key: testKey, ID: testID, TTL: time.Minute, Length: length})
}

// commit stores body through a Writer in pieces of the given size.
func commit(t testing.TB, store object.Store, body []byte, length int64, piece int) {
	t.Helper()
	w := newWriter(store, length)
	for chunk := range slices.Chunk(body, piece) {
		if n, err := w.Write(chunk); err != nil || n != len(chunk) {
			t.Fatalf("Write: %d of %d, %v", n, len(chunk), err)
		}
	}
	if w.Size() != int64(len(body)) {
		t.Fatalf("Size is %d after %d bytes", w.Size(), len(body))
	}
	if err := w.Commit(sampleHead(0)); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	if err := w.Abort(); err != nil {
		t.Fatalf("Abort after Commit: %v", err)
	}
}

// open returns a reader of what is committed under testKey.
func open(t testing.TB, store object.Store) *object.Reader {
	t.Helper()
	value, err := store.Lookup(context.Background(), testKey)
	if err != nil {
		t.Fatal(err)
	}
	h, inline := mustDecode(t, value)
	r := object.NewReader(context.Background(), store, testKey, h, inline)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestBody_RoundTrip(t *testing.T) {
	const s = object.SegmentSize
	for _, size := range []int{0, 1, 1000, s - 1, s, s + 1, 2 * s, 3*s + 5} {
		for _, known := range []bool{true, false} {
			body, length, piece := pattern(size), int64(object.UnknownLength), 100_003
			if known {
				length, piece = int64(size), s-1
			}
			store := &tracing{}
			commit(t, store, body, length, piece)
			got, err := io.ReadAll(iotest.HalfReader(open(t, store)))
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d bytes, known %v: read %d, %v", size, known, len(got), err)
			}
			var buf bytes.Buffer
			if n, err := open(t, store).WriteTo(&buf); err != nil || n != int64(size) || !bytes.Equal(buf.Bytes(), body) {
				t.Errorf("%d bytes, known %v: WriteTo wrote %d, %v", size, known, n, err)
			}
			wantValues := 1
			if size > s {
				wantValues += (size + s - 1) / s
			}
			if got := len(store.Keys()); got != wantValues {
				t.Errorf("%d bytes take %d values, want %d", size, got, wantValues)
			}
		}
	}
}

func TestBody_RoundTripInAnyPieces(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.SampledFrom([]int{0, 10, object.SegmentSize, object.SegmentSize + 1, 700_000}).Draw(rt, "size")
		piece := rapid.IntRange(4_000, 800_000).Draw(rt, "piece")
		store := &storetest.Memory{}
		commit(t, store, pattern(size), object.UnknownLength, piece)
		if got, err := io.ReadAll(open(t, store)); err != nil || !bytes.Equal(got, pattern(size)) {
			rt.Fatalf("read %d of %d bytes, %v", len(got), size, err)
		}
	})
}
