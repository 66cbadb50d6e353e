package cachekey_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/cachekey"
)

// selection is what a request has for one selecting field.
type selection struct {
	name, value string
	present     bool
}

func variantKey(primary []byte, s []selection) []byte {
	names := make([]string, len(s))
	for i := range s {
		names[i] = s[i].name
	}
	next := 0
	return cachekey.AppendVariant(nil, primary, names, func(string) (string, bool) {
		next++
		return s[next-1].value, s[next-1].present
	})
}

func drawSelections(t *rapid.T, label string) []selection {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) selection {
		s := selection{name: awkward.Draw(t, "name"), present: rapid.Bool().Draw(t, "present")}
		if s.present {
			s.value = awkward.Draw(t, "value")
		}
		return s
	}), 0, 3).Draw(t, label)
}

func TestAppendVariant_DifferentSelectionsGiveDifferentKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p1, p2 := []byte(awkward.Draw(t, "p1")), []byte(awkward.Draw(t, "p2"))
		a, b := drawSelections(t, "a"), drawSelections(t, "b")
		same := bytes.Equal(variantKey(p1, a), variantKey(p2, b))
		if want := bytes.Equal(p1, p2) && slices.Equal(a, b); same != want {
			t.Fatalf("equal keys: %v, want %v\n%q %+v\n%q %+v", same, want, p1, a, p2, b)
		}
	})
}

// TestAppendVariant_RFC9111_4_1 is the rule that a field which the request lacks
// matches only a request that lacks it too.
func TestAppendVariant_RFC9111_4_1_AbsentIsNotEmpty(t *testing.T) {
	absent := variantKey([]byte("p"), []selection{{name: "accept"}})
	empty := variantKey([]byte("p"), []selection{{name: "accept", present: true}})
	if bytes.Equal(absent, empty) {
		t.Error("an absent and an empty field select the same variant")
	}
}

func TestAppendVariant_IsNeverAPrimaryKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		primary := cachekey.Append(nil, drawParts(t, "p"))
		variant := variantKey([]byte(awkward.Draw(t, "primary")), drawSelections(t, "s"))
		if bytes.Equal(primary, variant) {
			t.Fatalf("%q is both", primary)
		}
	})
}

func TestKeys_DoNotAllocate(t *testing.T) {
	p := cachekey.Parts{Service: "default", Fingerprint: 42, Scheme: "https", Host: "www.example.com", Target: "/some/page?with=query"}
	names := []string{"accept-encoding", "accept-language"}
	value := func(string) (string, bool) { return "gzip", true }
	primary, variant := make([]byte, 0, 512), make([]byte, 0, 512)
	var digest [16]byte
	if n := testing.AllocsPerRun(100, func() {
		primary = cachekey.Append(primary[:0], p)
		variant = cachekey.AppendVariant(variant[:0], primary, names, value)
		digest = cachekey.Digest(variant)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	if digest == [16]byte{} {
		t.Error("digest of nothing")
	}
}

func BenchmarkKeys(b *testing.B) {
	p := cachekey.Parts{Service: "default", Fingerprint: 42, Scheme: "https", Host: "www.example.com", Target: "/some/page?with=query"}
	key := make([]byte, 0, 512)
	var digest [16]byte
	b.ReportAllocs()
	for b.Loop() {
		key = cachekey.Append(key[:0], p)
		digest = cachekey.Digest(key)
	}
	if digest == [16]byte{} {
		b.Error("digest of nothing")
	}
}
