package invalidation_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// keptScopes are those of a response that is kept for requests with any query.
func keptScopes(t interface{ Fatal(...any) }, target string) []object.Scope {
	scopes, err := invalidation.AppendScopes(nil, &invalidation.Response{Service: "s", Host: "h", Target: target, ForMany: true})
	if err != nil {
		t.Fatal(err)
	}
	return scopes
}

func reaches(purge, scopes []object.Scope) bool {
	return slices.ContainsFunc(purge, func(s object.Scope) bool { return slices.Contains(scopes, s) })
}

func TestQueryScopes(t *testing.T) {
	for _, c := range []struct {
		purged, kept string
		want         bool
	}{
		{"?id=1&utm=x", "/a?id=1", true}, {"?utm=x&id=1", "/a?id=1", true}, {"?b=1&a=2", "/a?a=2&b=1", true},
		{"?utm=x", "/a", true}, {"?", "/a", true}, {"?&&", "/a", true}, {"?a&b&c&d&e", "/a?z", true}, // more than are named
		{"?id=2&utm=x", "/a?id=1", false}, {"?id=1", "/b?id=1", false}, {"?id", "/a?id=1", false}, {"?", "/a?id=1", false}, {"?a&b&c&d", "/a?z", false},
		{"?lang=de&id=2", "/a?lang=de&id=17", false}, // the longest parameter tells them apart
	} {
		if got := reaches(invalidation.QueryScopes("h", "/a", c.purged), keptScopes(t, c.kept)); got != c.want {
			t.Errorf("a purge of /a%s reaches %s: %t", c.purged, c.kept, got)
		}
	}
	if reaches(invalidation.QueryScopes("h", "/a", "?id=1"), keptScopes(t, "/a?id=1")) == reaches(invalidation.QueryScopes("other", "/a", "?id=1"), keptScopes(t, "/a?id=1")) {
		t.Error("another host is reached")
	}
	plain, err := invalidation.AppendScopes(nil, &invalidation.Response{Service: "s", Host: "h", Target: "/a?id=1"})
	if err != nil || reaches(invalidation.QueryScopes("h", "/a", "?id=1"), plain) {
		t.Errorf("what is kept under its whole query has scopes of parameters, %v", err)
	}
}

// What is kept under some of the parameters of a URL, in whatever order, is reached by a purge of that URL.
func TestQueryScopes_ReachWhatIsKeptUnderSomeParameters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		params := rapid.SliceOfN(rapid.StringMatching(`[abc=]{0,3}`), 0, 7).Draw(t, "params")
		kept := slices.DeleteFunc(rapid.Permutation(params).Draw(t, "order"), func(p string) bool {
			return p == "" || rapid.Bool().Draw(t, "dropped")
		})
		target := "/a"
		if len(kept) > 0 {
			target += "?" + strings.Join(kept, "&")
		}
		if !reaches(invalidation.QueryScopes("h", "/a", "?"+strings.Join(params, "&")), keptScopes(t, target)) {
			t.Fatalf("a purge of %q misses %s", params, target)
		}
	})
}

func TestQueryScopes_AreFew(t *testing.T) {
	for n := range 40 {
		if got := len(invalidation.QueryScopes("h", "/a", "?"+strings.Repeat("a&", n))); got > 5 {
			t.Errorf("%d scopes of %d parameters", got, n)
		}
	}
}
