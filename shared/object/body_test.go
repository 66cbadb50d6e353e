package object_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
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

// TestWriter_EntryIsStoredLast checks the order that keeps readers from finding a
// head without its body, and that segments outlive their entry.
func TestWriter_EntryIsStoredLast(t *testing.T) {
	store := &tracing{}
	commit(t, store, pattern(2*object.SegmentSize+1), object.UnknownLength, 50_000)
	var want []string
	for i := range uint32(3) {
		want = append(want, "store "+object.SegmentKey(testKey, testID, i))
	}
	want = append(want, "store "+testKey)
	if !slices.Equal(store.calls, want) {
		t.Errorf("calls %q, want %q", store.calls, want)
	}
	entryTTL := store.ttls[len(store.ttls)-1]
	if entryTTL != time.Minute || slices.Min(store.ttls[:3]) <= entryTTL {
		t.Errorf("ttls %v: segments must outlive the entry's minute", store.ttls)
	}
}

func TestWriter_TTLZeroStaysZero(t *testing.T) {
	store := &tracing{}
	w := object.NewWriter(context.Background(), store, object.WriterConfig{Key: testKey, ID: testID, Length: object.UnknownLength})
	if _, err := w.Write(pattern(object.SegmentSize + 1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(sampleHead(0)); err != nil {
		t.Fatal(err)
	}
	if slices.Max(store.ttls) != 0 {
		t.Errorf("ttls %v, want 0: until evicted", store.ttls)
	}
}

func TestWriter_AbortRemovesWhatWasWritten(t *testing.T) {
	store := &tracing{}
	commit(t, store, []byte("the old version"), object.UnknownLength, 100)
	ctx, cancel := context.WithCancel(context.Background())
	w := object.NewWriter(ctx, store, object.WriterConfig{Key: testKey, ID: object.BodyID{1}, Length: object.UnknownLength})
	if _, err := w.Write(pattern(2*object.SegmentSize + 1)); err != nil {
		t.Fatal(err)
	}
	if n := len(store.Keys()); n != 3 {
		t.Fatalf("%d values before the abort, want the old entry and 2 segments", n)
	}
	cancel() // the usual reason to abort: the fill has ended
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if keys := store.Keys(); !slices.Equal(keys, []string{testKey}) {
		t.Errorf("left after the abort: %q", keys)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, object.ErrClosed) {
		t.Errorf("Write after Abort: %v", err)
	}
	if err := w.Commit(sampleHead(0)); !errors.Is(err, object.ErrClosed) {
		t.Errorf("Commit after Abort: %v", err)
	}
	if got, err := io.ReadAll(open(t, store)); err != nil || string(got) != "the old version" {
		t.Errorf("the old version reads %q, %v", got, err)
	}
}

func TestWriter_LengthIsKept(t *testing.T) {
	for name, row := range map[string]struct{ length, size int }{
		"short": {10, 9}, "long": {10, 11}, "not empty": {0, 1}, "empty": {1, 0},
		"short in segments": {2*object.SegmentSize + 1, 2 * object.SegmentSize}, "long in segments": {object.SegmentSize, object.SegmentSize + 1},
	} {
		t.Run(name, func(t *testing.T) {
			store := &tracing{}
			w := newWriter(store, int64(row.length))
			_, err := w.Write(pattern(row.size))
			if err == nil {
				err = w.Commit(sampleHead(0))
			}
			if !errors.Is(err, object.ErrLength) {
				t.Errorf("%v, want ErrLength", err)
			}
			if err := w.Abort(); err != nil || len(store.Keys()) != 0 {
				t.Errorf("after the abort: %v, %d values", err, len(store.Keys()))
			}
		})
	}
}

// TestWriter_DeclaredLengthDoesNotAllocate declares a huge body and sends little.
func TestWriter_DeclaredLengthDoesNotAllocate(t *testing.T) {
	allocated := allocatedBytes(func() {
		if _, err := newWriter(&tracing{}, 1<<50).Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	})
	if allocated > 2*object.SegmentSize {
		t.Errorf("%d bytes for one byte of body", allocated)
	}
}

// TestWriter_StoreFails checks that after any failing call nothing is committed
// and nothing stays behind, also when the store had stored what it said it had not.
func TestWriter_StoreFails(t *testing.T) {
	down := errors.New("store is down")
	body := pattern(2*object.SegmentSize + 1)
	keys := []string{object.SegmentKey(testKey, testID, 0), object.SegmentKey(testKey, testID, 1), object.SegmentKey(testKey, testID, 2), testKey}
	for i, failing := range keys {
		store := &tracing{fail: func(key string) error {
			if key == failing {
				return down
			}
			return nil
		}}
		w := newWriter(store, object.UnknownLength)
		_, err := w.Write(body)
		if err == nil {
			err = w.Commit(sampleHead(0))
		}
		if !errors.Is(err, down) {
			t.Fatalf("call %d fails: %v", i, err)
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, down) {
			t.Errorf("call %d failed, the next Write says %v", i, err)
		}
		if err := w.Abort(); err != nil || len(store.Keys()) != 0 {
			t.Errorf("call %d fails: Abort %v leaves %q", i, err, store.Keys())
		}
	}
	store := &tracing{late: down}
	w := newWriter(store, object.UnknownLength)
	if _, err := w.Write(body); !errors.Is(err, down) {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil || len(store.Keys()) != 0 {
		t.Errorf("Abort %v leaves %q", err, store.Keys())
	}
}

// TestReader_BrokenSegmentIsNeverAShortBody breaks each segment in each way: what
// comes before it is read, then the error, also by WriteTo.
func TestReader_BrokenSegmentIsNeverAShortBody(t *testing.T) {
	ctx := context.Background()
	body := pattern(2*object.SegmentSize + 500)
	for index := range uint32(3) {
		key := object.SegmentKey(testKey, testID, index)
		for name, breakIt := range map[string]func(s *storetest.Memory) error{
			"missing": func(s *storetest.Memory) error { return s.Remove(ctx, key) },
			"damaged": func(s *storetest.Memory) error {
				b, err := s.Lookup(ctx, key)
				b[len(b)/2] ^= 1
				return errors.Join(err, s.Store(ctx, key, b, 0))
			},
			"misplaced": func(s *storetest.Memory) error {
				return s.Store(ctx, key, object.AppendSegment(nil, testID, index+1, pattern(100)), 0)
			},
			"short": func(s *storetest.Memory) error {
				return s.Store(ctx, key, object.AppendSegment(nil, testID, index, pattern(100)), 0)
			},
		} {
			store := &storetest.Memory{}
			commit(t, store, body, object.UnknownLength, 1<<20)
			if err := breakIt(store); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(open(t, store))
			if !errors.Is(err, object.ErrSegment) || len(got) != int(index)*object.SegmentSize || !bytes.HasPrefix(body, got) {
				t.Errorf("segment %d %s: read %d bytes, %v", index, name, len(got), err)
			}
			n, err := open(t, store).WriteTo(io.Discard)
			if !errors.Is(err, object.ErrSegment) || n != int64(index)*object.SegmentSize {
				t.Errorf("segment %d %s: WriteTo wrote %d, %v", index, name, n, err)
			}
		}
	}
}

func TestReader_ErrorsNameTheirCause(t *testing.T) {
	store := &storetest.Memory{}
	commit(t, store, pattern(object.SegmentSize+1), object.UnknownLength, 1<<20)
	if err := store.Remove(context.Background(), object.SegmentKey(testKey, testID, 1)); err != nil {
		t.Fatal(err)
	}
	_, err := io.ReadAll(open(t, store))
	if !errors.Is(err, object.ErrNotFound) || !strings.Contains(err.Error(), "segment 1") {
		t.Errorf("%v does not say that segment 1 was not found", err)
	}
}

// gated is a store whose lookups of segments wait until they are let through or
// their context ends.
type gated struct {
	storetest.Memory
	started chan string
	gate    chan struct{}
}

func (s *gated) Lookup(ctx context.Context, key string) ([]byte, error) {
	if len(key) == len(testKey) {
		return s.Memory.Lookup(ctx, key)
	}
	s.started <- key
	select {
	case <-s.gate:
		return s.Memory.Lookup(ctx, key)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestReader_OneAhead shows that the next segment is asked for before the current
// one is read, and the one after it is not.
func TestReader_OneAhead(t *testing.T) {
	store := &gated{started: make(chan string, 10), gate: make(chan struct{}, 10)}
	commit(t, store, pattern(3*object.SegmentSize), object.UnknownLength, 1<<20)
	r := open(t, store)
	want := func(index uint32) {
		t.Helper()
		if key := <-store.started; key != object.SegmentKey(testKey, testID, index) {
			t.Fatalf("asked for %x, want segment %d", key, index)
		}
	}
	want(0)
	store.gate <- struct{}{}
	if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	want(1)
	store.gate <- struct{}{}
	if _, err := io.ReadFull(r, make([]byte, object.SegmentSize-1)); err != nil {
		t.Fatal(err)
	}
	if n := len(store.started); n != 0 {
		t.Fatalf("%d more segments were asked for before they were due", n)
	}
}

func TestReader_CloseEndsTheFetch(t *testing.T) {
	store := &gated{started: make(chan string, 10), gate: make(chan struct{})}
	commit(t, store, pattern(2*object.SegmentSize), object.UnknownLength, 1<<20)
	r := open(t, store)
	<-store.started // it waits at the gate, which never opens
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, object.ErrClosed) {
		t.Errorf("Read after Close: %d, %v", n, err)
	}
}

func TestReader_EndedContextIsAnError(t *testing.T) {
	store := &storetest.Memory{}
	commit(t, store, pattern(2*object.SegmentSize), object.UnknownLength, 1<<20)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := object.NewReader(ctx, store, testKey, &object.Head{BodyID: testID, BodySize: 2 * object.SegmentSize}, nil)
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := io.ReadAll(r); !errors.Is(err, object.ErrSegment) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestNewBodyID(t *testing.T) {
	id, err := object.NewBodyID(strings.NewReader("0123456789abcdefg"))
	if err != nil || string(id[:]) != "0123456789abcdef" {
		t.Errorf("%q, %v", id, err)
	}
	if _, err := object.NewBodyID(strings.NewReader("short")); err == nil {
		t.Error("an id was made of too few bytes")
	}
}
