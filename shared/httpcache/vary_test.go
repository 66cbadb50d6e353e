package httpcache

import (
	"slices"
	"strings"
	"testing"
)

func TestParseVary_RFC9111_4_1(t *testing.T) {
	tests := []struct {
		rule  string
		lines []string
		names []string
		star  bool
	}{
		{"none", nil, nil, false},
		{"empty", []string{""}, nil, false},
		{"one", []string{"Accept"}, []string{"accept"}, false},
		{"sorted, unique, lower-case", []string{"Foo, ACCEPT,foo , accept"}, []string{"accept", "foo"}, false},
		{"lines add up", []string{"B", "", "A, B"}, []string{"a", "b"}, false},
		{"empty members", []string{", A,,"}, []string{"a"}, false},
		{"star", []string{"*"}, nil, true},
		{"star, Foo", []string{"*, Foo"}, nil, true},
		{"Foo, star", []string{"Foo, *"}, nil, true},
		{", star", []string{", *"}, nil, true},
		{"star on another line", []string{"Foo", "*"}, nil, true},
		{"no field name", []string{"Foo Bar"}, nil, true},
		{"quoted", []string{`"Foo"`}, nil, true},
		{"star in a name is a name", []string{"x*"}, []string{"x*"}, false},
	}
	for _, tt := range tests {
		var h Fields
		for _, line := range tt.lines {
			h.Add("VARY", line)
		}
		for _, header := range []Header{h, plain{h}} {
			names, star := ParseVary(header)
			equal(t, tt.rule, star, tt.star)
			if !slices.Equal(names, tt.names) {
				t.Errorf("%s: got %q, want %q", tt.rule, names, tt.names)
			}
		}
	}
}

func TestParseVary_IsBounded(t *testing.T) {
	var h Fields
	for i := range MaxVaryNames {
		h.Add("Vary", "n"+strings.Repeat("x", i))
	}
	names, star := ParseVary(h)
	equal(t, "at the limit", len(names), MaxVaryNames)
	equal(t, "at the limit", star, false)
	h.Add("Vary", "other")
	_, star = ParseVary(h)
	equal(t, "over the limit", star, true)
}

// selecting is AppendSelecting as text.
func selecting(h Header, name string) (string, bool) {
	value, present := AppendSelecting(nil, h, name)
	return string(value), present
}

func TestAppendSelecting_RFC9111_4_1(t *testing.T) {
	same := [][]string{ // each row: values that select the same response, in their normal form first
		{"1, 2", "1,2", "1 ,2", " 1\t,\t2 ", "1,   2", "1 , 2"},
		{"gzip, deflate, br", "gzip,deflate,br"},
		{"a b", "a  b", "a\tb", "a \t b"},
		{`a, "b ,  c", d`, `a,"b ,  c",d`},
		{`"a  b\"  c", d`, `"a  b\"  c",d`},
		{"", " ", "\t"},
		{"a,", "a ,", "a, "},
		{`a, "b  ,c`},
	}
	seen := map[string]bool{}
	for _, row := range same {
		if seen[row[0]] {
			t.Errorf("%q is in two rows", row[0])
		}
		seen[row[0]] = true
		for _, v := range row {
			got, present := selecting(Fields{{"Foo", v}}, "foo")
			equal(t, "present", present, true)
			equal(t, v, got, row[0])
		}
	}
	_, present := selecting(head("Bar: x"), "Foo")
	equal(t, "absent", present, false)
	for _, h := range []Header{head("Foo: 1", "foo: 2 ,3"), plain{head("Foo: 1", "foo: 2 ,3")}} {
		got, _ := selecting(h, "Foo")
		equal(t, "lines are one list", got, "1, 2, 3")
	}
	upper, _ := selecting(head("Foo: A"), "Foo")
	equal(t, "values have a case", upper, "A")
}

func FuzzVary(f *testing.F) {
	for _, s := range []string{"Accept", "*", "a, *", "a,,b", `"a"`, "A,a", " , ", "\t", "x*", `a"b, *`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		names, star := ParseVary(Fields{{"Vary", value}})
		if star && names != nil || len(names) > MaxVaryNames {
			t.Fatalf("%q: names %q with star %v", value, names, star)
		}
		for i, name := range names {
			if name != strings.ToLower(name) || !isToken(name) || i > 0 && names[i-1] >= name {
				t.Fatalf("%q: names %q", value, names)
			}
		}
		again, star2 := ParseVary(Fields{{"Vary", strings.Join(names, ", ")}})
		if !star && (star2 || !slices.Equal(names, again)) {
			t.Fatalf("%q: %q, read again %q", value, names, again)
		}
	})
}

func FuzzAppendSelecting(f *testing.F) {
	for _, s := range []string{"1, 2", "1,2", " a  b ", `a,"b ,c",d`, `"`, "a,", ",,", ", ,", "\t,\t", `a "b`, `"\"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, present := selecting(Fields{{"Foo", value}}, "Foo")
		if !present {
			t.Fatal("absent")
		}
		if again, _ := selecting(Fields{{"Foo", got}}, "Foo"); again != got {
			t.Fatalf("%q: %q, then %q", value, got, again)
		}
		// Only white space may go or come.
		strip := strings.NewReplacer(" ", "", "\t", "")
		if strip.Replace(got) != strip.Replace(value) {
			t.Fatalf("%q became %q", value, got)
		}
		if isNormal(trim(value)) && got != trim(value) {
			t.Fatalf("%q is normal, yet became %q", value, got)
		}
	})
}
