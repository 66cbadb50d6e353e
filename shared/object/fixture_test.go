package object_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

// testKey is the store key of entries in tests: as long as a digest.
const testKey = "0123456789abcdef"

var testID = object.BodyID([]byte("body-id-16-bytes"))

// sampleHead is a response's head with every part in use.
func sampleHead(bodySize int64) *object.Head {
	return &object.Head{
		Kind:   object.KindResponse,
		Key:    "tck1P...example.com/a",
		Stamp:  1_700_000_000_000_001,
		Scopes: []object.Scope{{1, 2, 3}, {0xff, 15: 0xfe}},
		Meta: httpcache.Meta{
			Status: 200, RequestTime: 1_700_000_000_000, ResponseTime: 1_700_000_000_123,
			Date: 1_700_000_000, Expires: 1_700_003_600, LastModified: 1_600_000_000, Age: 7,
			MaxAge: 3600, SMaxAge: -1, StaleWhileRevalidate: 60, StaleIfError: -1, Flags: 0b1010_0101,
		},
		Fields:    object.MakeBlock(httpcache.Fields{{Name: "Content-Type", Value: "text/html"}, {Name: "ETag", Value: `"v1"`}}),
		Selecting: []string{"accept-encoding", "accept-language"},
		BodyID:    testID,
		BodySize:  bodySize,
	}
}

// pattern returns n bytes in which every segment differs from every other.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8) ^ byte(i>>16)*31
	}
	return b
}

// drawMeta fills every field of Meta, so that a field that the codec does not
// store fails the round trip on the day when it is added.
func drawMeta(t *rapid.T) httpcache.Meta {
	var m httpcache.Meta
	v := reflect.ValueOf(&m).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		switch f := v.Field(i); f.Kind() {
		case reflect.Int:
			f.SetInt(int64(rapid.Int32().Draw(t, name)))
		case reflect.Int64:
			f.SetInt(rapid.Int64().Draw(t, name))
		case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			f.SetUint(rapid.Uint64Max(1<<f.Type().Bits()-1).Draw(t, name))
		default:
			t.Fatalf("Meta.%s has the kind %s, which the codec does not store", name, f.Kind())
		}
	}
	return m
}

func drawHead(t *rapid.T) (*object.Head, []byte) {
	inline := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "body")
	h := &object.Head{
		Kind:      rapid.SampledFrom([]object.Kind{object.KindResponse, object.KindVariants, object.KindHitForMiss}).Draw(t, "kind"),
		Key:       rapid.String().Draw(t, "key"),
		Stamp:     rapid.Uint64().Draw(t, "stamp"),
		Meta:      drawMeta(t),
		Selecting: rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, "selecting"),
		BodySize:  int64(len(inline)),
	}
	for range rapid.IntRange(0, 5).Draw(t, "scopes") {
		h.Scopes = append(h.Scopes, object.Scope(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "scope")))
	}
	h.BodyID = object.BodyID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	h.Fields = object.Block(rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "fields"))
	if rapid.Bool().Draw(t, "segmented") {
		inline, h.BodySize = nil, object.SegmentSize+1+rapid.Int64Range(0, 1<<40).Draw(t, "size")
	}
	return h, inline
}

// wantSameHead compares heads, an empty part being the same as none.
func wantSameHead(t rapid.TB, got, want *object.Head) {
	t.Helper()
	if got.Kind != want.Kind || got.Key != want.Key || got.Stamp != want.Stamp || got.Meta != want.Meta ||
		got.BodyID != want.BodyID || got.BodySize != want.BodySize ||
		!slices.Equal(got.Scopes, want.Scopes) || !slices.Equal(got.Selecting, want.Selecting) || !bytes.Equal(got.Fields, want.Fields) {
		t.Fatalf("heads differ\n got %+v\nwant %+v", got, want)
	}
}

func mustDecode(t testing.TB, b []byte) (*object.Head, []byte) {
	t.Helper()
	var h object.Head
	inline, err := object.DecodeEntry(b, &h)
	if err != nil {
		t.Fatal(err)
	}
	return &h, inline
}
