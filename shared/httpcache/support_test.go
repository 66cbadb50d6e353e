package httpcache

import (
	"iter"
	"strings"
	"testing"
	"time"
)

// t0 is when the responses of these tests arrive.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// head builds a header from lines "Name: value".
func head(lines ...string) Fields {
	var f Fields
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		f.Add(name, strings.TrimSpace(value))
	}
	return f
}

// date is an HTTP-date that many seconds after t0.
func date(after int64) string { return string(AppendDate(nil, t0.Unix()+after)) }

// after is the time that many seconds after t0.
func after(sec int64) time.Time { return t0.Add(time.Duration(sec) * time.Second) }

// meta is the Meta of a 200 that was asked for and arrived at t0.
func meta(lines ...string) Meta { return NewMeta(200, head(lines...), t0, t0) }

// get is a parsed GET.
func get(lines ...string) Request { return ParseRequest("GET", head(lines...)) }

// plain hides that Fields is Indexed, as a header type of another package might be.
type plain struct{ f Fields }

func (p plain) Value(name string) string            { return p.f.Value(name) }
func (p plain) Values(name string) iter.Seq[string] { return p.f.Values(name) }
func (p plain) All() iter.Seq2[string, string]      { return p.f.All() }

func sec(n int64) time.Duration { return time.Duration(n) * time.Second }

// lasting is that many seconds, for what an operator may leave out.
func lasting(n int64) *time.Duration {
	d := sec(n)
	return &d
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// show is a header as text, for comparing.
func show(f Fields) string {
	var b strings.Builder
	for _, l := range f {
		b.WriteString(l.Name + ": " + l.Value + "\n")
	}
	return b.String()
}
