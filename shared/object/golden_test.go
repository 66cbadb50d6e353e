package object_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"tiercache/shared/object"
)

// golden holds what each released version of the format wrote. A file is never
// changed: a new version gets new files, and these must stay readable.
var golden = []struct {
	file string
	head func() *object.Head
	body string
}{
	{"entry-v1-inline.bin", func() *object.Head { return sampleHead(5) }, "hello"},
	{"entry-v1-segments.bin", func() *object.Head { return sampleHead(3*object.SegmentSize + 17) }, ""},
	{"entry-v1-variants.bin", func() *object.Head {
		return &object.Head{Kind: object.KindVariants, Key: "k", Stamp: 9, Selecting: []string{"accept"}}
	}, ""},
	{"entry-v1-variants-listed.bin", func() *object.Head {
		return &object.Head{Kind: object.KindVariants, Key: "k", Stamp: 9, Selecting: []string{"accept", "cookie"}, BodySize: 32}
	}, "digest of one...digest of other."},
	{"entry-v1-hit-for-miss.bin", func() *object.Head { return &object.Head{Kind: object.KindHitForMiss, Key: "k"} }, ""},
}

const (
	goldenSegment     = "segment-v1.bin"
	goldenSegmentData = "some bytes of a body"
)

func TestGolden_EntriesStayReadable(t *testing.T) {
	for _, g := range golden {
		t.Run(g.file, func(t *testing.T) {
			b := readGolden(t, g.file)
			h, inline := mustDecode(t, b)
			wantSameHead(t, h, g.head())
			if string(inline) != g.body {
				t.Errorf("body %q, want %q", inline, g.body)
			}
			if now := object.AppendEntry(nil, h, inline); !bytes.Equal(now, b) {
				t.Errorf("the version of this name is written differently now\n got %x\nwant %x", now, b)
			}
		})
	}
}

func TestGolden_SegmentStaysReadable(t *testing.T) {
	b := readGolden(t, goldenSegment)
	data, err := object.DecodeSegment(b, testID, 2)
	if err != nil || string(data) != goldenSegmentData {
		t.Errorf("%q, %v", data, err)
	}
	if now := object.AppendSegment(nil, testID, 2, data); !bytes.Equal(now, b) {
		t.Errorf("the version of this name is written differently now\n got %x\nwant %x", now, b)
	}
}

func readGolden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
