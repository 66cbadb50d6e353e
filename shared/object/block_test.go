package object_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/httpcache"
	"tiercache/shared/object"
)

var sampleFields = httpcache.Fields{
	{Name: "Content-Type", Value: "text/html"},
	{Name: "Link", Value: "</a>; rel=preload"},
	{Name: "X-Empty", Value: ""},
	{Name: "link", Value: "</b>; rel=preload"},
	{Name: "X-Colon", Value: "a: b"},
}

func TestBlock_WireForm(t *testing.T) {
	want := "Content-Type: text/html\r\nLink: </a>; rel=preload\r\nX-Empty: \r\nlink: </b>; rel=preload\r\nX-Colon: a: b\r\n"
	if got := string(object.MakeBlock(sampleFields)); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestBlock_AnswersAsFields asks a block and the fields that it was made of the
// same questions.
func TestBlock_AnswersAsFields(t *testing.T) {
	b := object.MakeBlock(sampleFields)
	for _, name := range []string{"content-type", "LINK", "x-empty", "x-colon", "absent", "", "lin", "links"} {
		if got, want := b.Value(name), sampleFields.Value(name); got != want {
			t.Errorf("Value(%q) = %q, want %q", name, got, want)
		}
		if got, want := slices.Collect(b.Values(name)), slices.Collect(sampleFields.Values(name)); !slices.Equal(got, want) {
			t.Errorf("Values(%q) = %q, want %q", name, got, want)
		}
		for i := range 3 {
			got, ok := b.Line(name, i)
			want, wantOK := sampleFields.Line(name, i)
			if got != want || ok != wantOK {
				t.Errorf("Line(%q, %d) = %q, %v, want %q, %v", name, i, got, ok, want, wantOK)
			}
		}
	}
	if got := b.Fields(); !slices.Equal(got, sampleFields) {
		t.Errorf("Fields() = %q", got)
	}
	for name := range b.All() {
		if name != "Content-Type" {
			t.Errorf("first field is %q", name)
		}
		break // an iterator that goes on after this panics
	}
	for value := range b.Values("link") {
		if !strings.Contains(value, "/a") {
			t.Errorf("first link is %q", value)
		}
		break
	}
}

func TestBlock_FieldsOutliveTheBlock(t *testing.T) {
	b := object.MakeBlock(sampleFields)
	fields := b.Fields()
	clear(b)
	if !slices.Equal(fields, sampleFields) {
		t.Errorf("fields changed with the block: %q", fields)
	}
}

// TestBlock_RFC9110_5_5_NoFieldAddsAnother gives fields that would split the
// response if they were written as they are.
func TestBlock_RFC9110_5_5_NoFieldAddsAnother(t *testing.T) {
	b := object.MakeBlock(httpcache.Fields{
		{Name: "A", Value: "x\r\nSet-Cookie: evil=1"},
		{Name: "Set-Cookie: evil=2\r\nB", Value: "y"},
		{Name: "", Value: "no name"},
		{Name: "C D", Value: "space in the name"},
		{Name: "E", Value: "nul\x00nul"},
	})
	if want := "A: x  Set-Cookie: evil=1\r\nE: nul nul\r\n"; string(b) != want {
		t.Errorf("got %q, want %q", b, want)
	}
	if b.Value("Set-Cookie") != "" {
		t.Error("a value became a field")
	}
}

func TestMakeBlock_RoundTrip(t *testing.T) {
	field := rapid.Custom(func(t *rapid.T) httpcache.Field {
		return httpcache.Field{
			Name:  rapid.StringMatching(`[A-Za-z0-9!#$%&'*+.^_|~-]{1,12}`).Draw(t, "name"),
			Value: rapid.StringMatching(`([!-~\x{80}-\x{ff}]([ -~\t]{0,20}[!-~])?)?`).Draw(t, "value"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := httpcache.Fields(rapid.SliceOfN(field, 0, 8).Draw(t, "fields"))
		if got := object.MakeBlock(want).Fields(); !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func TestBlock_DoesNotAllocate(t *testing.T) {
	b := object.MakeBlock(sampleFields)
	var h httpcache.Indexed = b
	seen := 0
	if n := testing.AllocsPerRun(100, func() {
		seen += len(b.Value("x-colon")) + len(h.Value("absent"))
		for i := 0; ; i++ {
			v, ok := h.Line("link", i)
			if !ok {
				break
			}
			seen += len(v)
		}
		for v := range b.Values("link") {
			seen += len(v)
		}
		for name, value := range b.All() {
			seen += len(name) + len(value)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	if seen == 0 {
		t.Error("nothing was read")
	}
}

// FuzzBlock reads whatever a block may hold: all three views agree and none
// panics.
func FuzzBlock(f *testing.F) {
	f.Add([]byte(object.MakeBlock(sampleFields)), "link")
	f.Add([]byte("no colon\r\n: no name\r\nA:\r\nb:c"), "a")
	f.Add([]byte(":\n\n\r:"), "")
	f.Fuzz(func(t *testing.T, raw []byte, name string) {
		b := object.Block(raw)
		values := slices.Collect(b.Values(name))
		for i, want := range values {
			if got, ok := b.Line(name, i); !ok || got != want {
				t.Fatalf("Line(%q, %d) = %q, %v, want %q", name, i, got, ok, want)
			}
		}
		if _, ok := b.Line(name, len(values)); ok {
			t.Fatal("more lines than values")
		}
		count := 0
		for n := range b.All() {
			if n == "" {
				t.Fatal("a field without a name")
			}
			count++
		}
		if count != len(b.Fields()) {
			t.Fatalf("%d fields and %d in the list", count, len(b.Fields()))
		}
	})
}

func BenchmarkBlock_Value(b *testing.B) {
	block := object.MakeBlock(sampleFields)
	b.ReportAllocs()
	for b.Loop() {
		if block.Value("x-colon") == "" {
			b.Fatal("absent")
		}
	}
}
