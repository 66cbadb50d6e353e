package httpcache

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// RFC 9875, 2 and 3.
func TestGroups(t *testing.T) {
	for _, c := range []struct {
		lines string
		want  []string
	}{
		{`"a"`, []string{"a"}},
		{`"a", "B";x=1,"a","b c"`, []string{"a", "B", "b c"}},
		{`"say \"hi\" \\"`, []string{`say "hi" \`}},
		{"\"a\"\n\"b\"", []string{"a", "b"}},
		{``, nil}, {`a`, nil}, {`"a", b`, nil}, {`"a",`, nil}, {`"a" "b"`, nil}, {`("a")`, nil}, {`"a`, nil}, {`"é"`, nil}, {`,"a"`, nil},
	} {
		var h Fields
		for line := range strings.SplitSeq(c.lines, "\n") {
			h.Add("Cache-Groups", line)
			h.Add("Cache-Group-Invalidation", line)
		}
		if got, ok := Groups(h); !slices.Equal(got, c.want) || !ok {
			t.Errorf("%s: %q, %v", c.lines, got, ok)
		}
		if got, ok := InvalidatedGroups("POST", h); !slices.Equal(got, c.want) || !ok {
			t.Errorf("%s: invalidates %q, %v", c.lines, got, ok)
		}
		for _, safe := range []string{"GET", "HEAD", "OPTIONS", "TRACE"} {
			if got, _ := InvalidatedGroups(safe, h); got != nil {
				t.Errorf("%s invalidates %q", safe, got)
			}
		}
	}
}

// At least 32 groups of 32 characters each; what does not fit is said, never cut.
func TestGroups_Limits(t *testing.T) {
	list := func(n, length int) Fields {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf(`"%0*d"`, length, i))
		}
		return Fields{{"Cache-Groups", strings.Join(names, ", ")}}
	}
	if got, ok := Groups(list(32, 32)); len(got) != 32 || !ok {
		t.Errorf("%d groups, %v", len(got), ok)
	}
	if _, ok := Groups(list(maxGroups, maxGroupBytes)); !ok {
		t.Error("the limits themselves are refused")
	}
	if _, ok := Groups(list(maxGroups+1, 4)); ok {
		t.Error("too many are cut")
	}
	if _, ok := Groups(list(1, maxGroupBytes+1)); ok {
		t.Error("a long one is cut")
	}
}
