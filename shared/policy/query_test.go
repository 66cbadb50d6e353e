package policy

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestQuery_AppendTarget(t *testing.T) {
	only, except := &Query{Only: []string{"id", "p*"}}, &Query{Except: []string{"utm_*", "x"}}
	sorted, none := &Query{Mode: QuerySort}, &Query{Mode: QueryNone}
	for _, c := range []struct {
		query        *Query
		target, want string
	}{
		{nil, "/a?b&&a", "/a?b&&a"}, {&Query{Mode: QueryAll}, "/a?b&&a", "/a?b&&a"},
		{none, "/a?b", "/a"}, {none, "/a", "/a"}, {none, "/a?", "/a"}, {none, "/a?b?c", "/a"},
		{sorted, "/a?c&b=2&a=1", "/a?a=1&b=2&c"}, {sorted, "/a?b=2&a&b=1", "/a?a&b=2&b=1"}, {sorted, "/a?", "/a"}, {sorted, "/a?&&b&", "/a?b"}, {sorted, "/a", "/a"},
		{sorted, "/a?a=1&a-=1&a", "/a?a=1&a&a-=1"},
		{only, "/a?x=1&id=2&page=3", "/a?id=2&page=3"}, {only, "/a?ID=1&idx=2", "/a"}, {only, "/a?id=2&id=1", "/a?id=2&id=1"}, {only, "/a?%69d=2", "/a"}, {only, "/a?=id", "/a"},
		{except, "/a?utm_source=x&b=2&x&y", "/a?b=2&y"}, {except, "/a?xx=1&utm=2", "/a?xx=1&utm=2"}, {except, "/a?x;y=1", "/a?x;y=1"}, {except, "/a?b?x=1", "/a?b?x=1"},
	} {
		if got := string(c.query.AppendTarget([]byte("-"), c.target)); got != "-"+c.want {
			t.Errorf("%+v of %s: %s, want %s", c.query, c.target, got, c.want)
		}
	}
}

// Scopes of purges rest on it: what is kept of a query is among what was asked for, and what is kept stays as it is when
// another tier applies the same rule.
func TestQuery_KeepsParametersOfTheTargetAsTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b*", "*", "c"}), 1, 3).Draw(t, "names")
		q := rapid.SampledFrom([]*Query{{Mode: QueryAll}, {Mode: QueryNone}, {Mode: QuerySort}, {Only: names}, {Except: names}}).Draw(t, "query")
		target := "/p" + rapid.StringMatching(`(\?[abc&=?;]{0,12})?`).Draw(t, "target")
		kept := string(q.AppendTarget(nil, target))
		if again := string(q.AppendTarget(nil, kept)); again != kept {
			t.Fatalf("%s becomes %s, that %s", target, kept, again)
		}
		_, asked, _ := strings.Cut(target, "?")
		_, query, _ := strings.Cut(kept, "?")
		for param := range strings.SplitSeq(query, "&") {
			if param != "" && !slices.Contains(strings.Split(asked, "&"), param) {
				t.Fatalf("%s becomes %s", target, kept)
			}
		}
	})
}
