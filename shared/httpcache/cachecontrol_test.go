package httpcache

import (
	"slices"
	"strings"
	"testing"
)

func TestResponseDirectives_RFC9111_5_2(t *testing.T) {
	tests := []struct {
		rule   string
		lines  []string
		maxAge int64
		flags  Flags
	}{
		{"any case", []string{"MaX-aGe=10, NO-STORE, pUbLiC"}, 10, FlagNoStore | FlagPublic},
		{"several lines add up", []string{"max-age=10", "no-cache"}, 10, FlagNoCache},
		{"empty members", []string{", ,max-age=10,,"}, 10, 0},
		{"an empty line before", []string{"", "max-age=10"}, 10, 0},
		{"unknown directives", []string{"foo, bar=baz, max-age=10, qux=\"no-store\""}, 10, 0},
		{"quoted text is no directive", []string{`foo="max-age=10, no-store", public`}, -1, FlagPublic},
		{"escaped quote in quoted text", []string{`foo="a\", no-store", max-age=5`}, 5, 0},
		{"a quoted number", []string{`max-age="10"`}, 10, 0},
		{"single quotes are no quotes", []string{"max-age='10'"}, 0, 0},
		{"a wholly quoted member is skipped", []string{`"max-age=10", public`}, -1, FlagPublic},
		{"no argument is stale", []string{"max-age"}, 0, 0},
		{"an empty argument is stale", []string{"max-age="}, 0, 0},
		{"negative is stale", []string{"max-age=-10"}, 0, 0},
		{"a fraction is stale", []string{"max-age=10.5"}, 0, 0},
		{"text is stale", []string{"max-age=10s"}, 0, 0},
		{"space before = is stale", []string{"max-age =10"}, 0, 0},
		{"space after = is stale", []string{"max-age= 10"}, 0, 0},
		{"leading zeros", []string{"max-age=0010"}, 10, 0},
		{"tabs around members", []string{"\tpublic\t,\tmax-age=10\t"}, 10, FlagPublic},
		{"repeated: the smallest", []string{"max-age=10, max-age=5", "max-age=7"}, 5, 0},
		{"repeated: one invalid", []string{"max-age=10, max-age=x"}, 0, 0},
		{"no-store with an argument counts", []string{"no-store=1"}, -1, FlagNoStore},
		{"must-revalidate followed by text counts", []string{"must-revalidate please"}, -1, FlagMustRevalidate},
		{"public with an argument does not", []string{"public=1, must-understand=x, immutable=1"}, -1, 0},
		{"a longer name is another name", []string{"no-storex, xno-store, max-age1=2"}, -1, 0},
		{"nothing hides behind an unbalanced quote", []string{`max-age=9, foo="bar, no-store`}, 9, FlagNoStore},
		{"nor is it trusted", []string{`foo="bar, max-age=9, public`}, 0, 0},
		{"a quote does not reach into the next line", []string{`foo="bar`, "max-age=9"}, 9, 0},
		{"all the others", []string{"proxy-revalidate, no-transform, must-understand, immutable"}, -1,
			FlagProxyRevalidate | FlagNoTransform | FlagMustUnderstand | FlagImmutable},
	}
	for _, tt := range tests {
		var h Fields
		for _, line := range tt.lines {
			h.Add("cache-control", line)
		}
		for _, header := range []Header{h, plain{h}} {
			d := responseDirectives(header)
			equal(t, tt.rule+": max-age", d.maxAge, tt.maxAge)
			equal(t, tt.rule+": flags", d.flags, tt.flags)
		}
	}
}

func TestResponseDirectives_Deltas(t *testing.T) {
	m := meta("Cache-Control: s-maxage=1, max-age=2, stale-while-revalidate=3, stale-if-error=4")
	equal(t, "s-maxage", m.SMaxAge, 1)
	equal(t, "max-age", m.MaxAge, 2)
	equal(t, "stale-while-revalidate", m.StaleWhileRevalidate, 3)
	equal(t, "stale-if-error", m.StaleIfError, 4)
	m = meta()
	equal(t, "absent", [4]int64{m.SMaxAge, m.MaxAge, m.StaleWhileRevalidate, m.StaleIfError}, [4]int64{-1, -1, -1, -1})
	m = meta("Cache-Control: stale-while-revalidate, stale-if-error=x")
	equal(t, "invalid windows are none", [2]int64{m.StaleWhileRevalidate, m.StaleIfError}, [2]int64{0, 0})
}

func TestQualifiedDirectives_RFC9111_5_2_2_4(t *testing.T) {
	tests := []struct {
		value string
		flags Flags
		names []string
	}{
		{`no-cache="foo"`, FlagNoCacheFields, []string{"foo"}},
		{`private="foo, Bar"`, FlagPrivateFields, []string{"foo", "Bar"}},
		{`private=foo`, FlagPrivateFields, []string{"foo"}},
		{`no-cache="a", private="b,c"`, FlagNoCacheFields | FlagPrivateFields, []string{"a", "b", "c"}},
		{`no-cache`, FlagNoCache, nil},
		{`no-cache=`, FlagNoCache, nil},
		{`no-cache=""`, FlagNoCache, nil},
		{`private=","`, FlagPrivate, nil},
		{`private='foo'`, FlagPrivate, nil},
		{`private="foo bar"`, FlagPrivate, nil},
		{`private="foo`, FlagPrivate, nil},
		{`private="foo\"bar"`, FlagPrivate, nil},
		{`private="foo", private`, FlagPrivateFields | FlagPrivate, []string{"foo"}},
		{`foo="private"`, 0, nil},
	}
	for _, tt := range tests {
		h := head("Cache-Control: " + tt.value)
		d := responseDirectives(h)
		equal(t, tt.value, d.flags, tt.flags)
		m := meta("Cache-Control: " + tt.value)
		if got := withheldFields(h, &m); !slices.Equal(got, tt.names) {
			t.Errorf("%s: names %q, want %q", tt.value, got, tt.names)
		}
	}
}

func FuzzCacheControl(f *testing.F) {
	for _, s := range []string{
		"max-age=10", `no-cache="a, b", private`, `foo="\", no-store`, "max-age =1,,", `"`, `a="\`, "s-maxage=99999999999999999999", "=,=\",\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		h := Fields{{Name: "Cache-Control", Value: value}}
		d := responseDirectives(h)
		for _, n := range []int64{d.maxAge, d.sMaxAge, d.staleIfError, d.staleWhileRevalidate} {
			if n < -1 || n > maxDelta {
				t.Fatalf("%q: %d out of bounds", value, n)
			}
		}
		if upper := responseDirectives(Fields{{Name: "CACHE-CONTROL", Value: strings.ToUpper(value)}}); isASCII(value) && upper != d {
			t.Fatalf("%q: %+v, in upper case %+v", value, d, upper)
		}
		if d.flags.Any(FlagNoCacheFields|FlagPrivateFields) != (len(qualifiedFields(h)) > 0) {
			t.Fatalf("%q: flags %b and names %q disagree", value, d.flags, qualifiedFields(h))
		}
		// A directive that follows on a line of its own always counts.
		h.Add("Cache-Control", "no-store")
		if !responseDirectives(h).flags.Has(FlagNoStore) {
			t.Fatalf("%q hides a no-store on the next line", value)
		}
		// A quote that is not closed hides nothing on its own line either.
		if strings.Count(value, `"`) == 1 && !strings.Contains(value, `\`) {
			one := responseDirectives(Fields{{Name: "Cache-Control", Value: value + ",no-store"}})
			if !one.flags.Has(FlagNoStore) {
				t.Fatalf("%q hides what follows", value)
			}
		}
		ParseRequest("GET", h)
	})
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
