package cachekey_test

import (
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/cachekey"
)

func TestParse_OfWhatWasAppended(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := cachekey.Parts{
			Service: awkward.Draw(t, "service"), Fingerprint: rapid.Uint64().Draw(t, "fingerprint"),
			Scheme: awkward.Draw(t, "scheme"), Host: awkward.Draw(t, "host"), Target: awkward.Draw(t, "target"),
		}
		primary := cachekey.Append(nil, want)
		variant := append(variantKey(primary, drawSelections(t, "selecting")), "generation"...)
		for form, key := range map[cachekey.Form][]byte{
			cachekey.FormPrimary: primary, cachekey.FormVariant: variant, cachekey.FormPart: cachekey.AppendPart(nil, primary),
		} {
			if got, f, ok := cachekey.Parse(string(key)); !ok || f != form || got != want {
				t.Errorf("form %d: got %+v, form %d, %v", form, got, f, ok)
			}
		}
		for cut := range primary {
			if _, _, ok := cachekey.Parse(string(primary[:cut])); ok {
				t.Errorf("%d of %d bytes are a key", cut, len(primary))
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("tck1V\x03abc")
	f.Add("tck1P12345678\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Fuzz(func(t *testing.T, key string) {
		p, form, ok := cachekey.Parse(key)
		if ok && form == cachekey.FormPrimary && len(cachekey.Append(nil, p)) > len(key) {
			t.Errorf("%q is read as more than it is: %+v", key, p)
		}
	})
}
