package httpcache

import (
	"strings"
	"testing"
)

func TestConditional_RFC9111_4_3_1(t *testing.T) {
	lm := "Sun, 06 Nov 1994 08:49:37 GMT"
	tests := []struct {
		rule   string
		stored Fields
		want   string
	}{
		{"both", head(`ETag: "a"`, "Last-Modified: "+lm), "If-None-Match: \"a\"\nIf-Modified-Since: " + lm + "\n"},
		{"weak tag", head(`ETag: W/"a"`), "If-None-Match: W/\"a\"\n"},
		{"date only", head("Last-Modified: " + lm), "If-Modified-Since: " + lm + "\n"},
		{"malformed tag", head("ETag: a", "Last-Modified: "+lm), "If-Modified-Since: " + lm + "\n"},
		{"two tags", head(`ETag: "a"`, `ETag: "b"`), ""},
		{"malformed date", head("Last-Modified: yesterday"), ""},
		{"none", head("Date: " + lm), ""},
	}
	for _, tt := range tests {
		equal(t, tt.rule, show(Conditional(tt.stored)), tt.want)
		m := NewMeta(200, tt.stored, t0, t0)
		equal(t, tt.rule+": HasValidator", m.HasValidator(), tt.want != "")
	}
}

func TestNotModified_RFC9111_4_3_2(t *testing.T) {
	stored := []string{`ETag: "a"`, "Last-Modified: " + date(-100), "Date: " + date(0)}
	weak := []string{`ETag: W/"a"`}
	tests := []struct {
		rule    string
		request []string
		stored  []string
		want    bool
	}{
		{"match", []string{`If-None-Match: "a"`}, stored, true},
		{"no match", []string{`If-None-Match: "b"`}, stored, false},
		{"no condition", nil, stored, false},
		{"star", []string{"If-None-Match: *"}, stored, true},
		{"star without a tag", []string{"If-None-Match: *"}, nil, true},
		{"list", []string{`If-None-Match: "x", "a" , "y"`}, stored, true},
		{"list without spaces", []string{`If-None-Match: "x","a"`}, stored, true},
		{"list with empty members", []string{`If-None-Match: , "x",, "a"`}, stored, true},
		{"list over lines", []string{`If-None-Match: "x"`, `If-None-Match: "a"`}, stored, true},
		{"weak in the request", []string{`If-None-Match: W/"a"`}, stored, true},
		{"weak in the store", []string{`If-None-Match: "a"`}, weak, true},
		{"both weak", []string{`If-None-Match: W/"a"`}, weak, true},
		{"tags have a case", []string{`If-None-Match: "A"`}, stored, false},
		{"w/ is no weakness", []string{`If-None-Match: w/"a"`}, stored, false},
		{"a comma inside a tag", []string{`If-None-Match: "x,a"`}, []string{`ETag: "x,a"`}, true},
		{"a tag inside a tag", []string{`If-None-Match: "x\"a"`}, stored, false},
		{"backslash is a character", []string{`If-None-Match: "x\", "a"`}, stored, true},
		{"unquoted", []string{"If-None-Match: a"}, []string{"ETag: a"}, false},
		{"malformed list", []string{`If-None-Match: "x" "a"`}, stored, false},
		{"stored without a tag", []string{`If-None-Match: "a"`}, nil, false},
		{"If-None-Match beats If-Modified-Since, no", []string{`If-None-Match: "b"`, "If-Modified-Since: " + date(0)}, stored, false},
		{"If-None-Match beats If-Modified-Since, yes", []string{`If-None-Match: "a"`, "If-Modified-Since: " + date(-999)}, stored, true},
		{"an empty If-None-Match beats it too", []string{"If-None-Match:", "If-Modified-Since: " + date(0)}, stored, false},
		{"since the very time", []string{"If-Modified-Since: " + date(-100)}, stored, true},
		{"since later", []string{"If-Modified-Since: " + date(-50)}, stored, true},
		{"since earlier", []string{"If-Modified-Since: " + date(-101)}, stored, false},
		{"since Date, without Last-Modified", []string{"If-Modified-Since: " + date(0)}, []string{"Date: " + date(0)}, true},
		{"since before Date, without Last-Modified", []string{"If-Modified-Since: " + date(-1)}, []string{"Date: " + date(0)}, false},
		{"invalid Last-Modified", []string{"If-Modified-Since: " + date(0)}, []string{"Last-Modified: x", "Date: " + date(0)}, false},
		{"invalid If-Modified-Since", []string{"If-Modified-Since: 2030-01-01"}, stored, false},
		{"repeated If-Modified-Since", []string{"If-Modified-Since: " + date(0), "If-Modified-Since: " + date(0)}, stored, false},
	}
	for _, tt := range tests {
		r, s := head(tt.request...), head(tt.stored...)
		for _, method := range []string{"GET", "HEAD"} {
			equal(t, tt.rule, NotModified(r, method, 200, s), tt.want)
		}
		equal(t, tt.rule+", other header type", NotModified(plain{r}, "GET", 200, plain{s}), tt.want)
		equal(t, tt.rule+", POST", NotModified(r, "POST", 200, s), false)
		for _, status := range []int{304, 404, 500, 199} {
			equal(t, tt.rule+", RFC 9110 13.2.1", NotModified(r, "GET", status, s), false)
		}
	}
}

func TestKeepInNotModified_RFC9110_15_4_5(t *testing.T) {
	for _, name := range []string{"ETag", "date", "Cache-Control", "Content-Location", "Expires", "Vary", "Content-Security-Policy", "Set-Cookie"} {
		equal(t, name, KeepInNotModified(name), true)
	}
	for _, name := range []string{"Content-Length", "content-type", "Content-Encoding", "Content-Range", "Repr-Digest"} {
		equal(t, name, KeepInNotModified(name), false)
	}
}

func FuzzEntityTags(f *testing.F) {
	for _, s := range []string{`"a"`, `W/"a"`, `"a", W/"b"`, `*`, `"`, `W/`, `W/W/"a"`, `,,"a"`, `"x,y"`, `"x" "a"`, `"a" ,`, "\"\x7f\"", `"\"`} {
		f.Add(s, "a")
	}
	f.Fuzz(func(t *testing.T, list, opaque string) {
		tag, ok := parseETag(`"` + opaque + `"`)
		if !ok {
			return
		}
		_ = matchesAny(list, tag) // whatever it finds, it must not panic
		if !matchesAny(`"other", W/"`+opaque+`"`, tag) {
			t.Fatalf("%q is not found in a list", opaque)
		}
		if one, valid := parseETag(list); valid {
			if !matchesAny(list, one) || !strings.HasSuffix(trim(list), one.opaque) {
				t.Fatalf("%q does not match itself", list)
			}
			if strongMatch(one, one) == one.weak {
				t.Fatalf("%q: a weak tag never matches strongly", list)
			}
		}
	})
}
