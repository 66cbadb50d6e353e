package invalidation_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/invalidation"
)

func TestGroupTag(t *testing.T) {
	for name, want := range map[string]string{
		"news":   "cache-group:shop.example/news",
		"News":   "cache-group:shop.example/News",
		"":       "cache-group:shop.example/",
		"a b,c":  "cache-group:shop.example/a%20b%2Cc",
		"a%20b":  "cache-group:shop.example/a%2520b",
		`"%zz/"`: "cache-group:shop.example/%22%25zz/%22",
	} {
		got, err := invalidation.GroupTag("shop.example", name)
		if got != want || err != nil {
			t.Errorf("%q: %q, %v", name, got, err)
		}
		if host, ok := invalidation.GroupHost(got); host != "shop.example" || !ok {
			t.Errorf("%q is of host %q, %v", got, host, ok)
		}
	}
	if _, err := invalidation.GroupTag("shop.example", strings.Repeat(" ", 400)); !errors.Is(err, invalidation.ErrTag) {
		t.Errorf("a long name: %v", err)
	}
	if host, ok := invalidation.GroupHost(invalidation.AnyGroupTag("[::1]")); host != "[::1]" || !ok {
		t.Errorf("any group: %q, %v", host, ok)
	}
	for _, tag := range []string{"news", "cache-group:", "cache-group:/x", "cache-groups:a/b", "xcache-group:a/b", ""} {
		if host, ok := invalidation.GroupHost(tag); ok {
			t.Errorf("%q is of host %q", tag, host)
		}
	}
}

// Groups that differ in host or name differ in their tags, which are in canonical form: as a purge names them.
func TestProperty_GroupsHaveTagsOfTheirOwn(t *testing.T) {
	host := rapid.SampledFrom([]string{"a", "a.b", "[::1]", "a-b"})
	name := rapid.StringOf(rapid.SampledFrom([]rune(`ab/:%,"4120F \`)))
	rapid.Check(t, func(t *rapid.T) {
		h1, n1, h2, n2 := host.Draw(t, "host"), name.Draw(t, "name"), host.Draw(t, "other host"), name.Draw(t, "other name")
		one, err1 := invalidation.GroupTag(h1, n1)
		two, err2 := invalidation.GroupTag(h2, n2)
		if err1 != nil || err2 != nil {
			return
		}
		if same := h1 == h2 && n1 == n2; (one == two) != same {
			t.Fatalf("%q and %q for %q, %q and %q, %q", one, two, h1, n1, h2, n2)
		}
		if again, err := invalidation.CanonicalTag(one); again != one || err != nil {
			t.Fatalf("%q becomes %q, %v", one, again, err)
		}
		if one == invalidation.AnyGroupTag(h2) {
			t.Fatalf("%q is that of all groups", one)
		}
	})
}
