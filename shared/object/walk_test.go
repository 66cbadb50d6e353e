package object_test

import (
	"errors"
	"reflect"
	"testing"

	"tiercache/shared/object"
)

// TestDecodeHead_AgreesWithDecodeEntry compares both for entries of all kinds, whole and cut behind the head.
func TestDecodeHead_AgreesWithDecodeEntry(t *testing.T) {
	for name, entry := range map[string][]byte{
		"inline":   object.AppendEntry(nil, sampleHead(5), []byte("12345")),
		"segments": object.AppendEntry(nil, sampleHead(object.SegmentSize+1), nil),
		"variants": object.AppendEntry(nil, &object.Head{Kind: object.KindVariants, Key: "k", Selecting: []string{"a", "b"}}, nil),
	} {
		var want, got object.Head
		inline, err := object.DecodeEntry(entry, &want)
		if err != nil {
			t.Fatal(name, err)
		}
		size, err := object.HeadSize(entry[:object.EntryPrefix])
		if err != nil || size != len(entry)-len(inline) {
			t.Errorf("%s: HeadSize %d, %v, want %d", name, size, err, len(entry)-len(inline))
		}
		for _, b := range [][]byte{entry, entry[:size]} {
			if err := object.DecodeHead(b, &got); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, %+v, want %+v", name, err, got, want)
			}
		}
		for cut := range size {
			if err := object.DecodeHead(entry[:cut:cut], &got); !errors.Is(err, object.ErrCorrupt) {
				t.Fatalf("%s: %d of %d bytes: %v", name, cut, size, err)
			}
		}
		for i := range size {
			damaged := append([]byte(nil), entry...)
			damaged[i] ^= 0x41
			if err := object.DecodeHead(damaged, &got); !errors.Is(err, object.ErrCorrupt) && !errors.Is(err, object.ErrVersion) {
				t.Fatalf("%s: byte %d is damaged: %v", name, i, err)
			}
		}
	}
}

func FuzzDecodeHead(f *testing.F) {
	f.Add(object.AppendEntry(nil, sampleHead(5), []byte("12345")))
	f.Add(object.AppendEntry(nil, sampleHead(object.SegmentSize+1), nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var whole, head object.Head
		if _, err := object.DecodeEntry(b, &whole); err != nil {
			_ = object.DecodeHead(b, &head) // must not panic
			return
		}
		if err := object.DecodeHead(b, &head); err != nil || !reflect.DeepEqual(whole, head) {
			t.Errorf("%v, %+v, want %+v", err, head, whole)
		}
	})
}
