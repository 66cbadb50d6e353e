package origin

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestNewAddress(t *testing.T) {
	for _, c := range []struct {
		host, path string
		want       string // empty: refused
		says       string
	}{
		{"WWW.Example.com", "/", "www.example.com/", ""},
		{"*", "/a//b/%2F/%2e.a/;x=1!$&'()*+,:@~", "*/a//b/%2F/%2e.a/;x=1!$&'()*+,:@~", ""},
		{"[2001:DB8::1]", "/x", "[2001:db8::1]/x", ""},
		{"a_b.c-d.e", "/%0A", "a_b.c-d.e/%0A", ""},
		{"", "/", "", "empty"},
		{"a.b:80", "/", "", "without a port"},
		{"[::1]:80", "/", "", "without a port"},
		{"a..b", "/", "", "not a host name"},
		{"A.b.", "/", "a.b/", ""},
		{"a.b..", "/", "", "not a host name"},
		{".", "/", "", "empty"},
		{"[::1].", "/", "", "without a port"},
		{"-a", "/", "", "not a host name"},
		{"a b", "/", "", "not a host name"},
		{"é.example", "/", "", "not a host name"},
		{strings.Repeat("a.", 127) + "a", "/", "", "limit"},
		{strings.Repeat("a", 64), "/", "", "not a host name"},
		{"a", "", "", "slash"},
		{"a", "x", "", "slash"},
		{"a", "/" + strings.Repeat("x", 4096), "", "4096"},
		{"a", "/a b", "", "%20"},
		{"a", "/é", "", "%C3"},
		{"a", "/a\x00", "", "%00"},
		{"a", "/a%00", "", "NUL"},
		{"a", "/a\n", "", "%0A"},
		{"a", "/a\x7f", "", "%7F"},
		{"a", "/a#b", "", "%23"},
		{"a", "/a?b", "", "%3F"},
		{"a", "/100%", "", "%25"},
		{"a", "/%zz", "", "%25"},
		{"a", "/a/../b", "", ".."},
		{"a", "/.", "", `"."`},
		{"a", "/%2E%2e/x", "", "segment"},
		{"a", "/x/%2e", "", "segment"},
	} {
		a, err := NewAddress(c.host, c.path)
		switch {
		case c.want != "" && (err != nil || a.String() != c.want):
			t.Errorf("%q %q: got %q, %v", c.host, c.path, a, err)
		case c.want == "" && err == nil:
			t.Errorf("%q %q passes", c.host, c.path)
		case c.want == "" && !strings.Contains(err.Error(), c.says):
			t.Errorf("%q %q: %q does not say %q", c.host, c.path, err, c.says)
		}
	}
	if _, err := NewAddress("a", "/"+strings.Repeat("x", 4095)); err != nil {
		t.Errorf("4096 bytes: %v", err)
	}
}

// RFC 9110, 13.1.1 to 13.1.4 and 13.2.2.
func TestConditions_Hold(t *testing.T) {
	o := &Object{Digest: Digest{1}, Created: time.Date(2024, 5, 6, 7, 8, 9, 500e6, time.UTC)}
	tag, at := o.ETag(), "Mon, 06 May 2024 07:08:09 GMT"
	before := "Mon, 06 May 2024 07:08:08 GMT"
	for _, c := range []struct {
		name          string
		h             http.Header
		there, absent bool // whether it holds
	}{
		{"none", http.Header{}, true, true},
		{"If-Match *", http.Header{"If-Match": {"*"}}, true, false},
		{"If-Match tag", http.Header{"If-Match": {tag}}, true, false},
		{"If-Match list", http.Header{"If-Match": {`"x", ` + tag}}, true, false},
		{"If-Match lines", http.Header{"If-Match": {`"x,y"`, tag}}, true, false},
		{"If-Match other", http.Header{"If-Match": {`"x"`}}, false, false},
		{"If-Match weak is never strong", http.Header{"If-Match": {"W/" + tag}}, false, false},
		{"If-None-Match *", http.Header{"If-None-Match": {"*"}}, false, true},
		{"If-None-Match tag", http.Header{"If-None-Match": {tag}}, false, true},
		{"If-None-Match weak", http.Header{"If-None-Match": {"W/" + tag}}, false, true},
		{"If-None-Match other", http.Header{"If-None-Match": {`"x"`}}, true, true},
		{"If-Unmodified-Since then", http.Header{"If-Unmodified-Since": {at}}, true, false},
		{"If-Unmodified-Since before", http.Header{"If-Unmodified-Since": {before}}, false, false},
		{"If-Match outranks it", http.Header{"If-Match": {tag}, "If-Unmodified-Since": {before}}, true, false},
		{"both", http.Header{"If-Match": {tag}, "If-None-Match": {tag}}, false, false},
	} {
		conditions, err := ConditionsOf(c.h)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := conditions.Hold(o); got != c.there {
			t.Errorf("%s: object there: %v", c.name, got)
		}
		if got := conditions.Hold(nil); got != c.absent {
			t.Errorf("%s: no object: %v", c.name, got)
		}
	}
}

func TestConditionsOf_RefusesWhatItCannotRead(t *testing.T) {
	for _, v := range []string{"", "abc", `"abc`, `"a" "b"`, `w/"a"`, `"a",b`, "*, *", `"a", *`, strings.Repeat(`"a",`, 101)} {
		for _, name := range []string{"If-Match", "If-None-Match"} {
			if _, err := ConditionsOf(http.Header{name: {v}}); err == nil {
				t.Errorf("%s: %s passes", name, v)
			}
		}
	}
	if _, err := ConditionsOf(http.Header{"If-Unmodified-Since": {"yesterday"}}); err == nil {
		t.Error("a date that is none passes")
	}
}

// RFC 9530, 2 and 3.
func TestDigestOf(t *testing.T) {
	d := Digest{1, 2, 3}
	other := Digest{4}
	for _, c := range []struct {
		h    http.Header
		want *Digest
		ok   bool
	}{
		{http.Header{}, nil, true},
		{http.Header{"Repr-Digest": {d.Field()}}, &d, true},
		{http.Header{"Content-Digest": {"sha-512=:AAAA:, " + d.Field() + ";p=1"}}, &d, true},
		{http.Header{"Content-Digest": {"sha-512=:AAAA:"}}, nil, true},
		{http.Header{"Content-Digest": {d.Field()}, "Repr-Digest": {d.Field()}}, &d, true},
		{http.Header{"Content-Digest": {d.Field()}, "Repr-Digest": {other.Field()}}, nil, false},
		{http.Header{"Repr-Digest": {"sha-256=:AAAA:"}}, nil, false},
		{http.Header{"Repr-Digest": {"sha-256=abc"}}, nil, false},
		{http.Header{"Repr-Digest": {"sha-256"}}, nil, false},
		{http.Header{"Repr-Digest": {"sha-256=:" + strings.Repeat("!", 44) + ":"}}, nil, false},
	} {
		got, err := digestOf(c.h)
		if (err == nil) != c.ok || (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%v: got %v, %v", c.h, got, err)
		}
	}
}

func TestFieldsOf(t *testing.T) {
	got, err := FieldsOf(http.Header{
		"Content-Type": {"text/html"}, "Cache-Control": {"public", "max-age=1"}, "Surrogate-Key": {"a b", "c"},
		"X-Other": {"1"}, "Authorization": {"Bearer x"}, "Content-Length": {"5"},
	})
	want := Fields{"Content-Type": "text/html", "Cache-Control": "public, max-age=1", "Surrogate-Key": "a b c"}
	if err != nil || !got.equal(want) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := FieldsOf(http.Header{}); err != nil || got["Content-Type"] != "application/octet-stream" {
		t.Errorf("no type: %v, %v", got, err)
	}
	for _, h := range []http.Header{
		{"Content-Type": {"a/b", "c/d"}},
		{"Surrogate-Key": {"é"}},
		{"Cache-Control": {"a\x01"}},
		{"Surrogate-Key": {strings.Repeat("k ", maxFields/2)}},
	} {
		if _, err := FieldsOf(h); err == nil {
			t.Errorf("%.60v passes", h)
		}
	}
}

func TestETag_ChangesWithTheRepresentationOnly(t *testing.T) {
	base := Object{Digest: Digest{1}, Fields: Fields{"Content-Type": "a", "Cache-Control": "x"}}
	same := Object{Digest: Digest{1}, Fields: Fields{"Content-Type": "a", "Cache-Control": "y", "Surrogate-Key": "k"}, Version: 7}
	if base.ETag() != same.ETag() {
		t.Error("the tag depends on fields that a 304 updates")
	}
	seen := map[string]bool{base.ETag(): true}
	for _, o := range []Object{
		{Digest: Digest{2}, Fields: Fields{"Content-Type": "a"}},
		{Digest: Digest{1}, Fields: Fields{"Content-Type": "b"}},
		{Digest: Digest{1}, Fields: Fields{"Content-Type": "a", "Content-Encoding": "gzip"}},
		{Digest: Digest{1}, Fields: Fields{"Content-Type": "a", "Content-Language": "gzip"}},
		{Digest: Digest{1}, Fields: Fields{"Content-Encoding": "a"}},
	} {
		if seen[o.ETag()] {
			t.Errorf("%+v has the tag of another", o)
		}
		seen[o.ETag()] = true
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"/", "/%2e%2E/x", "/a//b", "/%", "/%00", "/\x80", "/a/.b/..c"} {
		f.Add("h", s)
	}
	f.Add("[::1]", "/")
	f.Fuzz(func(t *testing.T, host, path string) {
		a, err := NewAddress(host, path)
		if err != nil {
			return
		}
		if a.Path != path || a.Host != strings.TrimSuffix(strings.ToLower(host), ".") {
			t.Errorf("%q %q became %q", host, path, a)
		}
		again, err := NewAddress(a.Host, a.Path)
		if err != nil || again != a {
			t.Errorf("%q does not pass twice", a)
		}
	})
}

func FuzzConditions(f *testing.F) {
	for _, s := range []string{"*", `"a"`, `W/"a", "b"`, `"`, ",,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ConditionsOf(http.Header{"If-Match": {value}})
		if err == nil && c.Hold(nil) {
			t.Errorf("If-Match %q holds without an object", value)
		}
	})
}

func FuzzDigest(f *testing.F) {
	f.Add(Digest{}.Field())
	f.Add("sha-256=::;a,b")
	f.Fuzz(func(t *testing.T, value string) {
		d, err := digestOf(http.Header{"Repr-Digest": {value}})
		if err == nil && d != nil && !strings.Contains(value, strings.TrimRight(d.Field()[len("sha-256=:"):], ":")) {
			t.Errorf("%q gave %s", value, d.Field())
		}
	})
}
