package controllog_test

import (
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"testing"

	"github.com/cespare/xxhash/v2"

	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
)

// replicaOf has applied the samples, but for the hint.
func replicaOf(t testing.TB) *controllog.Replica {
	t.Helper()
	r := controllog.NewReplica(0)
	entries := samples()
	if _, err := r.Apply(append(entries[:len(entries)-1], tokenOf(109, 110, "t2", false))...); err != nil {
		t.Fatal(err)
	}
	return r
}

func encodedImage(t testing.TB, m *controllog.Image) []byte {
	t.Helper()
	b, err := m.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestImage_Golden: nodes find the images of earlier releases on their disks.
func TestImage_Golden(t *testing.T) {
	for name, chain := range map[string]uint64{"image-v1.bin": 0, "image-v2.bin": 0xc0ffee} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		want := replicaOf(t).Image()
		want.Chain = chain
		if m, err := controllog.DecodeImage(b); err != nil || !reflect.DeepEqual(m, want) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestImage_RestoresAll(t *testing.T) {
	want := replicaOf(t)
	for name, r := range map[string]*controllog.Replica{"new": controllog.NewReplica(0), "older": controllog.NewReplica(0), "the same": replicaOf(t)} {
		if name == "older" {
			apply(t, r, purgeOf(0, 50, "x"), serviceOf(50, 51, "other", 1), tokenOf(51, 52, "other", false))
		}
		services, tokens := r.ServicesVersion(), r.TokensVersion()
		m, err := controllog.DecodeImage(encodedImage(t, want.Image()))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Restore(m); err != nil || r.Applied() != 110 || !reflect.DeepEqual(r.Image(), want.Image()) {
			t.Errorf("%s: %v, %+v", name, err, r.Image())
		}
		if r.ServicesVersion() == services || r.TokensVersion() == tokens {
			t.Errorf("%s: the versions stay", name)
		}
		apply(t, r, purgeOf(110, 111, "y"))
	}
}

func TestCompactedImage_PurgesThatAreGoneAreAFloor(t *testing.T) {
	r := controllog.NewReplica(0)
	services := []controllog.ServiceChange{*serviceOf(0, 1, "shop", 1).Service}
	if err := r.Restore(controllog.CompactedImage(100, services, nil)); err != nil {
		t.Fatal(err)
	}
	apply(t, r, purgeOf(100, 101, "a"))
	wantCheck(t, r, 99, invalidation.Dead, tag("b"))
	wantCheck(t, r, 100, invalidation.Live, tag("b"))
	wantCheck(t, r, 100, invalidation.Dead, tag("a"))
	if r.Index().Oldest() != 100 || !reflect.DeepEqual(r.Services(), services) {
		t.Errorf("oldest %d, services %+v", r.Index().Oldest(), r.Services())
	}
}

func TestReplica_OldImageIsRefused(t *testing.T) {
	r, old := controllog.NewReplica(0), controllog.NewReplica(0)
	apply(t, r, purgeOf(0, 100, "a"), purgeOf(100, 101, "b"))
	apply(t, old, purgeOf(0, 100, "a"))
	before := r.Image()
	if err := r.Restore(old.Image()); !errors.Is(err, controllog.ErrOldImage) || !reflect.DeepEqual(r.Image(), before) {
		t.Errorf("%v, applied %d", err, r.Applied())
	}
}

func TestDecodeImage_DamageIsFound(t *testing.T) {
	b := encodedImage(t, replicaOf(t).Image())
	for n := range b {
		if _, err := controllog.DecodeImage(b[:n]); !errors.Is(err, controllog.ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
		b[n] ^= 0x10
		if _, err := controllog.DecodeImage(b); !errors.Is(err, controllog.ErrCorrupt) && (n != 3 || !errors.Is(err, controllog.ErrVersion)) {
			t.Errorf("byte %d: %v", n, err)
		}
		b[n] ^= 0x10
	}
	if _, err := controllog.DecodeImage(append(b, 0)); !errors.Is(err, controllog.ErrCorrupt) {
		t.Errorf("one byte more: %v", err)
	}
}

// FuzzDecodeImage repairs the checksum, so that what is behind it is reached.
func FuzzDecodeImage(f *testing.F) {
	f.Add(encodedImage(f, replicaOf(f).Image()))
	f.Add(encodedImage(f, controllog.NewReplica(1).Image()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if end := len(b) - 8; end >= 0 {
			binary.LittleEndian.PutUint64(b[end:], xxhash.Sum64(b[:end]))
		}
		m, err := controllog.DecodeImage(b)
		if err != nil {
			if !errors.Is(err, controllog.ErrCorrupt) && !errors.Is(err, controllog.ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		again, err := controllog.DecodeImage(encodedImage(t, m))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v becomes %+v, %v", m, again, err)
		}
		if err := controllog.NewReplica(4).Restore(m); err != nil {
			t.Fatal(err)
		}
	})
}
