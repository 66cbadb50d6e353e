package object_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"tiercache/shared/object"
	"tiercache/shared/object/storetest"
)

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
