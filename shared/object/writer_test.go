package object_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"tiercache/shared/object"
)

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
