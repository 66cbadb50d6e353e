package httpcache

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPreferences_ThatMeanTheSameAreEqual(t *testing.T) {
	const encoding, language = "accept-encoding", "Accept-Language"
	for _, c := range []struct {
		field, want string
		values      []string
	}{
		{encoding, "br, gzip", []string{"gzip, br", "br,gzip", " BR ,\tGzip;q=1", "gzip;q=1.000, br;q=1.0", "gzip, br, gzip", ",gzip,,br,"}},
		{encoding, "*;q=0, identity", []string{"identity, *;q=0", "*;q=0.000,identity"}},
		{language, "en, de;q=0.9", []string{"en, de;q=0.9", "de; q=0.90 , en", "de ;Q=0.900,en"}},
		{language, "da, en-gb;q=0.8, en;q=0.7", []string{"da, en-gb;q=0.8, en;q=0.7", "en;q=0.7, en-GB;q=0.8,DA"}},
		{language, "fr, de", []string{"fr, de", "fr;q=1,DE", "fr, de, fr"}}, // many servers take the first of equal ones
		{language, "de, fr", []string{"de, fr"}},
		{language, "", []string{"", ",", " "}},
	} {
		for _, value := range c.values {
			if got, ok := appendPreferences(nil, c.field, value); string(got) != c.want || !ok {
				t.Errorf("%q: %q, %v", value, got, ok)
			}
		}
	}
}

func TestPreferences_WhatIsNoneStaysAsItIs(t *testing.T) {
	for _, value := range []string{"gzip;q=2", "gzip;q=1.001", "gzip;q=0.1234", "gzip;q=", "gzip;level=1", "g zip", "gzip;q=a", `"gzip"`, "gzip, br, gzip;q=0.5", "en-us,en;q=0.5,en-US;q=0", strings.Join(strings.Split("abcdefghijklmnopqrstuvwxyz", ""), ",")} {
		if got, ok := appendPreferences([]byte("x"), "Accept-Encoding", value); ok || string(got) != "x" {
			t.Errorf("%q: %q, %v", value, got, ok)
		}
	}
}

func TestAppendSelecting_OrdersEncodingsAndLanguagesAlone(t *testing.T) {
	h := head("Accept-Encoding: gzip, br", "Accept-Language: en", "Accept-Language: DE", "Accept: b, a", "X: b,  a")
	for name, want := range map[string]string{"accept-encoding": "br, gzip", "Accept-Language": "en, de", "accept": "b, a", "x": "b, a"} {
		if got, ok := AppendSelecting([]byte("-"), h, name); string(got) != "-"+want || !ok {
			t.Errorf("%s: appended %q, %v", name, got, ok)
		}
	}
	if _, ok := selecting(h, "Cookie"); ok {
		t.Error("an absent field is there")
	}
	if got, ok := selecting(head("Accept-Encoding: gzip;x=1 ,br"), "Accept-Encoding"); got != "gzip;x=1, br" || !ok {
		t.Errorf("%q, %v", got, ok)
	}
}

// Order, case and space never matter; anything else does.
func TestProperty_PreferencesKeepTheirMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,3}(-[a-z]{2})?`), rapid.IntRange(0, 1000), 0, 8).Draw(t, "weights")
		var members []string
		for name, weight := range weights {
			member := name
			if rapid.Bool().Draw(t, "upper") {
				member = strings.ToUpper(name)
			}
			members = append(members, member+string(appendWeight(nil, int16(weight))))
		}
		const field = "Accept-Encoding"
		first, ok := appendPreferences(nil, field, strings.Join(rapid.Permutation(members).Draw(t, "order"), " ,"))
		second, again := appendPreferences(nil, field, strings.Join(members, ","))
		if !ok || !again || !slices.Equal(first, second) {
			t.Fatalf("%q and %q", first, second)
		}
		if third, ok := appendPreferences(nil, field, string(first)); !ok || !slices.Equal(first, third) {
			t.Fatalf("%q becomes %q", first, third)
		}
		h := Fields{{"Accept-Encoding", string(first)}}
		for name, weight := range weights {
			if got := Weight(h, name); got != weight && name != "identity" {
				t.Fatalf("%q: %s weighs %d instead of %d", first, name, got, weight)
			}
		}
	})
}

// RFC 9110, 12.5.3.
func TestWeight_OfCodings(t *testing.T) {
	for _, c := range []struct {
		request string
		coding  string
		want    int
	}{
		{"gzip", "gzip", 1000}, {"gzip", "x-gzip", 1000}, {"x-gzip;q=0.5", "GZIP", 500}, {"gzip", "br", 0}, {"gzip", "identity", 1},
		{"*", "br", 1000}, {"*;q=0", "identity", 0}, {"*;q=0, identity;q=0.1", "identity", 100}, {"identity;q=0", "identity", 0},
		{"gzip;q=0, *", "gzip", 0}, {"gzip;q=0", "gzip", 0}, {"gzip;q=2, br", "gzip", 0}, {"", "gzip", 0}, {"", "identity", 1},
	} {
		if got := Weight(Fields{{"Accept-Encoding", c.request}}, c.coding); got != c.want {
			t.Errorf("%q, %q: %d, want %d", c.request, c.coding, got, c.want)
		}
	}
}
