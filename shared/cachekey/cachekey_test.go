package cachekey_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/cachekey"
)

// awkward generates strings that like to pass for the encoding around them.
var awkward = rapid.OneOf(
	rapid.StringMatching(`[ab\x00\x01\x02]{0,4}`),
	rapid.StringMatching(`/[a-c]{0,3}(\?[a-c=&]{0,4})?`),
	rapid.StringN(0, 200, 400),
	rapid.Just("tck1P"), rapid.Just("tck1V"),
)

func drawParts(t *rapid.T, label string) cachekey.Parts {
	return cachekey.Parts{
		Service:     awkward.Draw(t, label+".service"),
		Fingerprint: rapid.SampledFrom([]uint64{0, 1, 256, 1 << 63}).Draw(t, label+".fingerprint"),
		Scheme:      rapid.SampledFrom([]string{"", "http", "https"}).Draw(t, label+".scheme"),
		Host:        awkward.Draw(t, label+".host"),
		Target:      awkward.Draw(t, label+".target"),
	}
}

func TestAppend_DifferentPartsGiveDifferentKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawParts(t, "a"), drawParts(t, "b")
		same := bytes.Equal(cachekey.Append(nil, a), cachekey.Append(nil, b))
		if same != (a == b) {
			t.Fatalf("equal keys: %v, equal parts: %v\n%+v\n%+v", same, a == b, a, b)
		}
	})
}

// TestAppend_MovedBoundary moves bytes from one part to its neighbour: joined
// without lengths, each row would be one key.
func TestAppend_MovedBoundary(t *testing.T) {
	rows := []cachekey.Parts{
		{Service: "shop", Scheme: "http", Host: "a.example", Target: "/x"},
		{Service: "sho", Scheme: "phttp", Host: "a.example", Target: "/x"},
		{Service: "shop", Scheme: "htt", Host: "pa.example", Target: "/x"},
		{Service: "shop", Scheme: "http", Host: "a.exampl", Target: "e/x"},
		{Service: "shop", Scheme: "http", Host: "a.example/x", Target: ""},
		{Service: "", Scheme: "shophttp", Host: "a.example", Target: "/x"},
	}
	seen := map[string]cachekey.Parts{}
	for _, p := range rows {
		key := string(cachekey.Append(nil, p))
		if other, ok := seen[key]; ok {
			t.Errorf("%+v and %+v have the same key", p, other)
		}
		seen[key] = p
	}
}

// TestAppend_Golden keeps the encoding as it is: changing it empties every cache
// in the fleet, which must be a decision and not an accident.
func TestAppend_Golden(t *testing.T) {
	primary := cachekey.Append(nil, cachekey.Parts{Service: "s", Fingerprint: 7, Scheme: "http", Host: "h", Target: "/"})
	if got, want := hex.EncodeToString(primary), "74636b3150"+"0700000000000000"+"0173"+"0468747470"+"0168"+"012f"; got != want {
		t.Errorf("primary key\n got %s\nwant %s", got, want)
	}
	variant := cachekey.AppendVariant(nil, []byte("p"), []string{"a", "b"}, func(name string) (string, bool) { return "v", name == "a" })
	if got, want := hex.EncodeToString(variant), "74636b3156"+"0170"+"02"+"0161"+"01"+"0176"+"0162"+"00"; got != want {
		t.Errorf("variant key\n got %s\nwant %s", got, want)
	}
	if d := cachekey.Digest([]byte("tiercache")); hex.EncodeToString(d[:]) != "0c9b6c9ef294a0b6a6c0875ce0631211" {
		t.Errorf("digest %x is not XXH3-128, most significant byte first", d)
	}
}

func TestAppend_KeepsWhatDstHolds(t *testing.T) {
	p := cachekey.Parts{Service: "s", Host: "h", Target: "/t"}
	if got := cachekey.Append([]byte("before"), p); string(got) != "before"+string(cachekey.Append(nil, p)) {
		t.Errorf("got %q", got)
	}
}

func FuzzAppend(f *testing.F) {
	f.Add("s", uint64(1), "http", "example.com", "/a?b", "s", uint64(1), "http", "example.co", "m/a?b")
	f.Add("", uint64(0), "", "", "", "\x00", uint64(0), "", "", "")
	f.Fuzz(func(t *testing.T, s1 string, f1 uint64, sc1, h1, t1, s2 string, f2 uint64, sc2, h2, t2 string) {
		a := cachekey.Parts{Service: s1, Fingerprint: f1, Scheme: sc1, Host: h1, Target: t1}
		b := cachekey.Parts{Service: s2, Fingerprint: f2, Scheme: sc2, Host: h2, Target: t2}
		if bytes.Equal(cachekey.Append(nil, a), cachekey.Append(nil, b)) != (a == b) {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}
