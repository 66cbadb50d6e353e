package invalidation_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"tiercache/shared/invalidation"
)

// tagVector is one row of testdata/tags.json, which every implementation of the rule is tested with.
type tagVector struct {
	Name  string `json:"name"`
	In    string `json:"in"`
	InHex string `json:"in_hex"` // instead of In when that is no text
	Tag   string `json:"tag"`
	Error bool   `json:"error"`
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func TestCanonicalTag_Vectors(t *testing.T) {
	var vectors []tagVector
	readJSON(t, "testdata/tags.json", &vectors)
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			in := v.In
			if v.InHex != "" {
				b, err := hex.DecodeString(v.InHex)
				if err != nil {
					t.Fatal(err)
				}
				in = string(b)
			}
			got, err := invalidation.CanonicalTag(in)
			if got != v.Tag || errors.Is(err, invalidation.ErrTag) != v.Error {
				t.Errorf("%q, %v, want %q", got, err, v.Tag)
			}
		})
	}
}

func FuzzCanonicalTag(f *testing.F) {
	for _, s := range []string{"", "a", "a b", "%41%4", "%c3%A9", "käse", "\xff,\"%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tag, err := invalidation.CanonicalTag(s)
		if err != nil {
			if s != "" && len(s)*3 <= invalidation.MaxTagSize {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if again, err := invalidation.CanonicalTag(tag); again != tag || err != nil {
			t.Fatalf("%q becomes %q, that %q, %v", s, tag, again, err)
		}
		for _, lines := range [][2][]string{{{tag}, nil}, {nil, {tag}}} {
			if got, err := invalidation.ParseTags(slices.Values(lines[0]), slices.Values(lines[1])); err != nil || !slices.Equal(got, []string{tag}) {
				t.Fatalf("%q in a header field is %q, %v", tag, got, err)
			}
		}
	})
}

func TestParseTags(t *testing.T) {
	long := strings.Repeat("x", invalidation.MaxTagSize+1)
	for name, row := range map[string]struct {
		space, comma []string
		want         []string
		err          error
	}{
		"none":              {},
		"Surrogate-Key":     {space: []string{" a  b ", "c\ta"}, want: []string{"a", "b", "c"}},
		"Cache-Tag":         {comma: []string{"a, b c ,,\t", "a"}, want: []string{"a", "b%20c"}},
		"both":              {space: []string{"a,b"}, comma: []string{"a%2cb, c"}, want: []string{"a%2Cb", "c"}},
		"other white space": {space: []string{"a\u00a0b"}, want: []string{"a%C2%A0b"}},
		"too long":          {space: []string{"a " + long}, err: invalidation.ErrTag},
		"256":               {space: []string{numbers(256), numbers(256)}, want: strings.Fields(numbers(256))},
		"257":               {space: []string{numbers(256)}, comma: []string{"one more"}, err: invalidation.ErrTooManyTags},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := invalidation.ParseTags(slices.Values(row.space), slices.Values(row.comma))
			if !slices.Equal(got, row.want) || !errors.Is(err, row.err) {
				t.Errorf("%q, %v, want %q, %v", got, err, row.want, row.err)
			}
		})
	}
	if got, err := invalidation.ParseTags(nil, nil); got != nil || err != nil {
		t.Errorf("%q, %v of nothing", got, err)
	}
}

// numbers are n different tags.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d ", i)
	}
	return b.String()
}
