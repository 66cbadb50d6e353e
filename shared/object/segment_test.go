package object_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/object"
)

func TestSegment_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 500).Draw(t, "data")
		index := rapid.Uint32().Draw(t, "index")
		b := object.AppendSegment([]byte("before"), testID, index, data)
		got, err := object.DecodeSegment(b[len("before"):], testID, index)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

func TestSegment_FullSize(t *testing.T) {
	data := pattern(object.SegmentSize)
	b := object.AppendSegment(nil, testID, 3, data)
	if got, err := object.DecodeSegment(b, testID, 3); err != nil || !bytes.Equal(got, data) {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a segment above SegmentSize was encoded")
		}
	}()
	object.AppendSegment(nil, testID, 3, append(data, 0))
}

func TestSegment_EverySingleBitFlipIsDetected(t *testing.T) {
	b := object.AppendSegment(nil, testID, 7, []byte("some data of a body"))
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := object.DecodeSegment(b, testID, 7); !errors.Is(err, object.ErrCorrupt) && !errors.Is(err, object.ErrVersion) {
			t.Fatalf("bit %d of byte %d flipped: %v", bit%8, bit/8, err)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
}

func TestSegment_InTheWrongPlace(t *testing.T) {
	b := object.AppendSegment(nil, testID, 7, []byte("data"))
	other := testID
	other[15] ^= 1
	for name, decode := range map[string]func() ([]byte, error){
		"other body":  func() ([]byte, error) { return object.DecodeSegment(b, other, 7) },
		"other index": func() ([]byte, error) { return object.DecodeSegment(b, testID, 8) },
		"an entry": func() ([]byte, error) {
			return object.DecodeSegment(object.AppendEntry(nil, sampleHead(0), nil), testID, 7)
		},
		"cut":   func() ([]byte, error) { return object.DecodeSegment(b[:len(b)-1], testID, 7) },
		"empty": func() ([]byte, error) { return object.DecodeSegment(nil, testID, 7) },
	} {
		if data, err := decode(); !errors.Is(err, object.ErrCorrupt) {
			t.Errorf("%s: %q, %v, want ErrCorrupt", name, data, err)
		}
	}
	b[3] = 9
	if _, err := object.DecodeSegment(b, testID, 7); !errors.Is(err, object.ErrVersion) {
		t.Errorf("version 9: %v, want ErrVersion", err)
	}
}

func TestSegmentKey(t *testing.T) {
	a := object.SegmentKey(testKey, testID, 1)
	if len(a) != 36 || a[:16] != testKey {
		t.Errorf("%q does not begin with the entry's key or has not 36 bytes", a)
	}
	other := testID
	other[0]++
	for _, b := range []string{object.SegmentKey(testKey, testID, 256), object.SegmentKey(testKey, testID, 0), object.SegmentKey(testKey, other, 1)} {
		if a == b {
			t.Errorf("%q is the key of two segments", a)
		}
	}
}

func TestDecodeSegment_DoesNotAllocate(t *testing.T) {
	b := object.AppendSegment(nil, testID, 0, pattern(1000))
	if n := testing.AllocsPerRun(100, func() {
		if _, err := object.DecodeSegment(b, testID, 0); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzDecodeSegment(f *testing.F) {
	f.Add(object.AppendSegment(nil, testID, 1, []byte("data")), uint32(1))
	f.Add(object.AppendSegment(nil, object.BodyID{}, 0, nil), uint32(0))
	f.Add([]byte("TCS\x01"), uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, index uint32) {
		b = bytes.Clone(b)[:len(b):len(b)]
		data, err := object.DecodeSegment(b, testID, index)
		if err != nil {
			return
		}
		if again := object.AppendSegment(nil, testID, index, data); !bytes.Equal(again, b) {
			t.Fatalf("decoded and encoded again\n got %x\nfrom %x", again, b)
		}
	})
}

func BenchmarkDecodeSegment(b *testing.B) {
	segment := object.AppendSegment(nil, testID, 0, pattern(object.SegmentSize))
	b.SetBytes(int64(len(segment)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := object.DecodeSegment(segment, testID, 0); err != nil {
			b.Fatal(err)
		}
	}
}
