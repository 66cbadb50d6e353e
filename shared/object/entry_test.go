package object_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/object"
)

func TestEntry_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, body := drawHead(t)
		before := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "before")
		b := object.AppendEntry(bytes.Clone(before), want, body)
		if !bytes.HasPrefix(b, before) {
			t.Fatal("what dst held was changed")
		}
		b = b[len(before):]
		if len(b) != object.EntrySize(want) {
			t.Fatalf("%d bytes, EntrySize says %d", len(b), object.EntrySize(want))
		}
		got := &object.Head{Selecting: []string{"left", "from", "the", "last", "use"}, Scopes: make([]object.Scope, 9)}
		inline, err := object.DecodeEntry(b, got)
		if err != nil {
			t.Fatal(err)
		}
		wantSameHead(t, got, want)
		if !bytes.Equal(inline, body) || (inline == nil) != (want.BodySize > object.SegmentSize) {
			t.Fatalf("inline body is %q, want %q", inline, body)
		}
	})
}

func TestEntry_EverySingleBitFlipIsDetected(t *testing.T) {
	body := []byte("a body of some length")
	b := object.AppendEntry(nil, sampleHead(int64(len(body))), body)
	var h object.Head
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := object.DecodeEntry(b, &h); !errors.Is(err, object.ErrCorrupt) && !errors.Is(err, object.ErrVersion) {
			t.Fatalf("bit %d of byte %d flipped: %v", bit%8, bit/8, err)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	mustDecode(t, b)
}

func TestEntry_EveryOtherLengthIsDetected(t *testing.T) {
	b := object.AppendEntry(nil, sampleHead(5), []byte("hello"))
	var h object.Head
	for n := range len(b) {
		if _, err := object.DecodeEntry(b[:n:n], &h); !errors.Is(err, object.ErrCorrupt) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(b), err)
		}
	}
	if _, err := object.DecodeEntry(append(b, 0), &h); !errors.Is(err, object.ErrCorrupt) {
		t.Fatalf("one byte too many: %v", err)
	}
}

func TestEntry_UnknownVersion(t *testing.T) {
	b := object.AppendEntry(nil, sampleHead(0), nil)
	b[3] = 2
	if _, err := object.DecodeEntry(b, new(object.Head)); !errors.Is(err, object.ErrVersion) {
		t.Errorf("%v, want ErrVersion", err)
	}
}

// TestEntry_BodyOfAnotherEntry swaps the bodies of two entries of equal sizes.
func TestEntry_BodyOfAnotherEntry(t *testing.T) {
	a := object.AppendEntry(nil, sampleHead(5), []byte("hello"))
	copy(a[len(a)-5:], "world")
	if _, err := object.DecodeEntry(a, new(object.Head)); !errors.Is(err, object.ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
}

// TestEntry_ClaimsDoNotAllocate gives lengths and counts of 4 GiB in few bytes.
func TestEntry_ClaimsDoNotAllocate(t *testing.T) {
	good := object.AppendEntry(nil, sampleHead(5), []byte("hello"))
	var h object.Head
	for off := 8; off < 32; off += 4 {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[off:], 1<<32-1)
		allocated := allocatedBytes(func() {
			if _, err := object.DecodeEntry(b, &h); !errors.Is(err, object.ErrCorrupt) {
				t.Fatalf("claim at %d: %v", off, err)
			}
		})
		if allocated > 16<<10 {
			t.Errorf("claim at %d made it allocate %d bytes", off, allocated)
		}
	}
}

// allocatedBytes returns how much f allocates, and whatever runs beside it.
func allocatedBytes(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestEntry_KindZeroIsRefused(t *testing.T) {
	b := object.AppendEntry(nil, &object.Head{}, nil)
	if _, err := object.DecodeEntry(b, new(object.Head)); !errors.Is(err, object.ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
}

func TestAppendEntry_PanicsWhenBodyAndSizeDisagree(t *testing.T) {
	for name, row := range map[string]struct {
		size   int64
		inline string
	}{
		"short": {5, "hell"}, "long": {5, "hello!"}, "missing": {object.SegmentSize, ""},
		"inline and segments": {object.SegmentSize + 1, "x"}, "negative": {-1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r, ok := recover().(string); !ok || !strings.Contains(r, "inline body") {
					t.Errorf("recovered %v", r)
				}
			}()
			object.AppendEntry(nil, sampleHead(row.size), []byte(row.inline))
		})
	}
}

func TestDecodeEntry_DoesNotAllocateWhenTheHeadIsReused(t *testing.T) {
	b := object.AppendEntry(nil, sampleHead(5), []byte("hello"))
	h, _ := mustDecode(t, b)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := object.DecodeEntry(b, h); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add(object.AppendEntry(nil, sampleHead(5), []byte("hello")))
	f.Add(object.AppendEntry(nil, sampleHead(object.SegmentSize+1), nil))
	f.Add(object.AppendEntry(nil, &object.Head{Kind: object.KindVariants}, nil))
	f.Add([]byte("TCE\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)[:len(b):len(b)] // so that reading past the end is seen
		var h object.Head
		inline, err := object.DecodeEntry(b, &h)
		if err != nil {
			return
		}
		if again := object.AppendEntry(nil, &h, inline); !bytes.Equal(again, b) {
			t.Fatalf("decoded and encoded again\n got %x\nfrom %x", again, b)
		}
	})
}

func BenchmarkDecodeEntry(b *testing.B) {
	for name, size := range map[string]int{"head": 0, "16KiB": 16 << 10, "256KiB": object.SegmentSize} {
		b.Run(name, func(b *testing.B) {
			entry := object.AppendEntry(nil, sampleHead(int64(size)), pattern(size))
			var h object.Head
			b.SetBytes(int64(len(entry)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := object.DecodeEntry(entry, &h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendEntry(b *testing.B) {
	h, body := sampleHead(16<<10), pattern(16<<10)
	dst := make([]byte, 0, object.EntrySize(h))
	b.ReportAllocs()
	for b.Loop() {
		dst = object.AppendEntry(dst[:0], h, body)
	}
}
