package api

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/invalidation"
)

// What caches read in the field is what a purge of the same words names.
func TestTagField_IsReadAsTheTagsThatAPurgeNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tags := rapid.SliceOfDistinct(rapid.OneOf(rapid.StringN(1, 20, 60), rapid.StringMatching(`[a-z ,%"4é\t]{1,9}`)), func(s string) string {
			tag, _ := invalidation.CanonicalTag(s) // there are none too long
			return tag
		}).Draw(t, "tags")
		field, err := TagField(tags)
		if err != nil {
			t.Fatal(err)
		}
		read, err := invalidation.ParseTags(slices.Values([]string{field}), nil)
		if err != nil {
			t.Fatal(err)
		}
		named := make([]string, 0, len(tags))
		for _, tag := range tags {
			canonical, err := invalidation.CanonicalTag(tag)
			if err != nil {
				t.Fatal(err)
			}
			named = append(named, canonical)
		}
		if !slices.Equal(read, named) {
			t.Errorf("%q is sent as %q and read as %q, a purge names %q", tags, field, read, named)
		}
	})
}

func TestTagField_RefusesWhatIsNoTag(t *testing.T) {
	for _, tag := range []string{"", strings.Repeat("x", invalidation.MaxTagSize+1), strings.Repeat(" ", 400)} {
		if _, err := TagField([]string{"good", tag}); !errors.Is(err, invalidation.ErrTag) {
			t.Errorf("%.9q: %v", tag, err)
		}
	}
}
