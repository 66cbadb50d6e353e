package invalidation_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"testing"

	"github.com/cespare/xxhash/v2"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// sample is an index with something of everything.
func sample() *invalidation.Index {
	x := invalidation.NewIndex(3)
	purge(x, 10, hard, invalidation.AllScope())
	x.Hole(20, 30)
	x.Advance(30)
	for i := range uint64(4) {
		purge(x, 40+i, soft, scopeOf(i))
	}
	purge(x, 50, hard, scopeOf(2), scopeOf(3))
	return x
}

// TestSnapshot_Golden: nodes find the snapshots of earlier releases on their disks.
func TestSnapshot_Golden(t *testing.T) {
	const file = "testdata/snapshot-v1.bin"
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sample().Snapshot().AppendBinary(nil)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the version of this name is written differently now: %v\n got %x\nwant %x", err, got, want)
	}
	s, err := invalidation.DecodeSnapshot(want)
	if err != nil || !reflect.DeepEqual(s, sample().Snapshot()) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestSnapshot_RestoreReplacesAll(t *testing.T) {
	x := filled(40, 100)
	x.Restore(sample().Snapshot())
	if !reflect.DeepEqual(x.Snapshot(), sample().Snapshot()) {
		t.Errorf("%+v", x.Snapshot())
	}
	wantCheck(t, x, 9, invalidation.Dead)
	wantCheck(t, x, 10, invalidation.Stale) // an evicted soft purge
	wantCheck(t, x, 25, invalidation.Dead)
	wantCheck(t, x, 40, invalidation.Live, scopeOf(30))
	wantCheck(t, x, 49, invalidation.Dead, scopeOf(2))
}

func TestSnapshot_IntoASmallerIndexEvictsTheOldest(t *testing.T) {
	x := invalidation.NewIndex(10)
	x.Restore(filled(100, 200).Snapshot())
	if h, s := x.Floors(); h != 90 || s != 0 || x.Len() != 10 || x.Oldest() != 90 || x.Applied() != 100 {
		t.Errorf("floors %d, %d; %d scopes; oldest %d; applied %d", h, s, x.Len(), x.Oldest(), x.Applied())
	}
	wantCheck(t, x, 90, invalidation.Dead, scopeOf(99))
}

func TestDecodeSnapshot_DamageIsFound(t *testing.T) {
	b, err := sample().Snapshot().AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if _, err := invalidation.DecodeSnapshot(b[:n]); !errors.Is(err, invalidation.ErrSnapshot) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
		b[n] ^= 1
		if _, err := invalidation.DecodeSnapshot(b); !errors.Is(err, invalidation.ErrSnapshot) {
			t.Errorf("byte %d: %v", n, err)
		}
		b[n] ^= 1
	}
	if _, err := invalidation.DecodeSnapshot(append(b, 0)); !errors.Is(err, invalidation.ErrSnapshot) {
		t.Errorf("one byte more: %v", err)
	}
}

// FuzzDecodeSnapshot repairs the checksum, so that what is behind it is reached.
func FuzzDecodeSnapshot(f *testing.F) {
	for _, x := range []*invalidation.Index{sample(), invalidation.NewIndex(1)} {
		b, err := x.Snapshot().AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if end := len(b) - 8; end >= 0 {
			binary.LittleEndian.PutUint64(b[end:], xxhash.Sum64(b[:end]))
		}
		s, err := invalidation.DecodeSnapshot(b)
		if err != nil {
			return
		}
		again, err := s.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x is written as %x, %v", b, again, err)
		}
		x := invalidation.NewIndex(4)
		x.Restore(s)
		x.Check(1, []object.Scope{scopeOf(1)})
	})
}
