package control

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDiffLines(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"a\nb\n", "a\nb\n", ""},
		{"", "a\n", "+a\n"},
		{"a\n", "", "-a\n"},
		{"a\nb\nc\n", "a\nx\nc\n", " a\n-b\n+x\n c\n"},
		{"a\nb\n", "a\nb\nc\n", " a\n b\n+c\n"},
		{"r1\nr2\n", "r0\nr1\nr2\n", "+r0\n r1\n r2\n"},
	} {
		if got := diffLines(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: %q", c.a, c.b, got)
		}
	}
}

// The lines with "-" or a space are the first text, those with "+" or a space the second, and no comparison is longer
// than it must be.
func TestDiffLines_HasBothTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) string {
			list := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 12).Draw(t, name)
			return strings.Join(append(list, ""), "\n")
		}
		a, b := draw("a"), draw("b")
		var before, after strings.Builder
		for _, line := range lines(diffLines(a, b)) {
			if line[0] != '+' {
				before.WriteString(line[1:] + "\n")
			}
			if line[0] != '-' {
				after.WriteString(line[1:] + "\n")
			}
		}
		if a != b && (before.String() != a || after.String() != b) {
			t.Fatalf("%q, %q", before.String(), after.String())
		}
	})
}

func TestDiffLines_LargeTextsAreReplacedWhole(t *testing.T) {
	a, b := strings.Repeat("a\nb\n", 2000), strings.Repeat("b\nc\n", 2000)
	if got := diffLines(a, b); !strings.HasPrefix(got, "-a\n-b\n") || strings.Count(got, "\n") != 8000 {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
}
