package redis

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/object"
)

func TestEncodeKey_Form(t *testing.T) {
	digest := "0123456789abcde\xff"
	if got, want := encodeKey("tc:", digest), "tc:{MDEyMzQ1Njc4OWFiY2Rl_w}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := encodeKey("", digest+"\x00\x01"), "{MDEyMzQ1Njc4OWFiY2Rl_w}AAE"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEncodeKey_DistinctKeysHaveDistinctNames(t *testing.T) {
	key := rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, '{', '}', 0xff}), 0, 40).Draw(t, "key"))
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := key.Draw(t, "a"), key.Draw(t, "b")
		if (encodeKey("p", a) == encodeKey("p", b)) != (a == b) {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

func TestEncodeKey_SegmentsShareTheEntrysSlot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digest := string(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "digest"))
		id := object.BodyID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		entry := hashTag(encodeKey("tc:", digest))
		segment := hashTag(encodeKey("tc:", object.SegmentKey(digest, id, rapid.Uint32().Draw(t, "index"))))
		if entry == "" || entry != segment {
			t.Fatalf("tags %q and %q", entry, segment)
		}
	})
}

// hashTag is what Redis Cluster hashes: between the first { and the next }.
func hashTag(name string) string {
	_, rest, _ := strings.Cut(name, "{")
	tag, _, _ := strings.Cut(rest, "}")
	return tag
}
