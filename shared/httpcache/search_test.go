package httpcache

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSearchRule_Parse(t *testing.T) {
	for field, want := range map[string]SearchRule{
		`params`:                           {All: true},
		`params=?1`:                        {All: true},
		`params=?0`:                        {},
		`key-order`:                        {KeyOrder: true},
		`key-order=?0`:                     {},
		`params=("utm" "gclid")`:           {Names: []string{"utm", "gclid"}},
		`params=("utm";x "a%20b" "c+d")`:   {Names: []string{"utm", "a b", "c d"}},
		`params, except=("id")`:            {All: true, Names: []string{"id"}},
		`params, except=("id"), key-order`: {All: true, Names: []string{"id"}, KeyOrder: true},
		`params=(), key-order`:             {KeyOrder: true},
		`params, other=1`:                  {All: true},
		`params=("a"), params=("b")`:       {Names: []string{"b"}},
		// Bad syntax, wrong types and contradictions are the default.
		`params=(a b)`:                {},
		`params=("a" 1)`:              {},
		`params="a"`:                  {},
		`params=1`:                    {},
		`key-order=1`:                 {},
		`key-order="a"`:               {},
		`except=("id")`:               {},
		`params=("a"), except=("id")`: {},
		`params=?0, except=("id")`:    {},
		`params, except`:              {},
		`params, except="id"`:         {},
		`params, except=(id)`:         {},
		`params=("a%zz")`:             {},
		`params=("a"`:                 {},
		`params,,key-order`:           {},
		`PARAMS`:                      {},
		``:                            {},
		`params=("` + strings.Repeat("x", maxSearchRule) + `")`: {},
	} {
		got := ParseSearchRule(Fields{{"No-Vary-Search", field}})
		if got.KeyOrder != want.KeyOrder || got.All != want.All || !slices.Equal(got.Names, want.Names) {
			t.Errorf("%s: %+v, want %+v", field, got, want)
		}
	}
	if rule := ParseSearchRule(Fields{{"No-Vary-Search", "key-order"}, {"No-Vary-Search", `params=("a")`}}); !rule.KeyOrder || len(rule.Names) != 1 {
		t.Errorf("two lines: %+v", rule)
	}
}

func TestSearchRule_Normalise(t *testing.T) {
	for _, c := range []struct{ field, target, want string }{
		{``, "/a?b=1&a=2&&", "/a?b=1&a=2&&"},
		{`params`, "/a?b=1", "/a"},
		{`params`, "/a?", "/a"},
		{`params`, "/a", "/a"},
		{`params=("utm")`, "/a?utm=1&x=2&utm", "/a?x=2"},
		{`params=("utm")`, "/a?u%74m=1&x=2", "/a?x=2"},
		{`params=("utm")`, "/a?UTM=1", "/a?UTM=1"},
		{`params=("a b")`, "/a?a+b=1&a%20b=2&ab=3", "/a?ab=3"},
		{`params=("x")`, "/a?%zz=1&x=2", "/a?%zz=1"},
		{`params, except=("id")`, "/a?b=1&id=7&c=2&id=8", "/a?id=7&id=8"},
		{`key-order`, "/a?b=1&a=2&b=0&c", "/a?a=2&b=1&b=0&c"},
		{`key-order, params=("b")`, "/a?c=1&b=2&a=3", "/a?a=3&c=1"},
		{`params=("x")`, "/a?q=a=b?c/d&x", "/a?q=a=b?c/d"},
		{`params`, "/a?" + strings.Repeat("x&", maxSearchParams+1), "/a?" + strings.Repeat("x&", maxSearchParams+1)},
	} {
		rule := ParseSearchRule(Fields{{"No-Vary-Search", c.field}})
		if got := rule.Normalise(c.target); got != c.want {
			t.Errorf("%s: %s becomes %s, want %s", c.field, c.target, got, c.want)
		}
	}
}

// What matters is never lost nor invented, and a second time changes nothing.
func TestProperty_NormaliseKeepsWhatMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "c", "utm", "%61", "d+e", ""})
		var parts []string
		for range rapid.IntRange(0, 8).Draw(t, "parameters") {
			parts = append(parts, name.Draw(t, "name")+rapid.SampledFrom([]string{"", "=", "=1", "=%26"}).Draw(t, "value"))
		}
		target := "/p?" + strings.Join(parts, "&")
		field := rapid.SampledFrom([]string{`params=("utm")`, `params=("a" "d e")`, `key-order`, `params, except=("a")`, `params=("b"), key-order`}).Draw(t, "rule")
		rule := ParseSearchRule(Fields{{"No-Vary-Search", field}})
		got := rule.Normalise(target)
		if again := rule.Normalise(got); again != got {
			t.Fatalf("%s: %s, then %s, then %s", field, target, got, again)
		}
		for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(got, "/p"), "?"), "&") {
			if part != "" && !slices.Contains(parts, part) {
				t.Fatalf("%s: %s became %s", field, target, got)
			}
		}
	})
}
