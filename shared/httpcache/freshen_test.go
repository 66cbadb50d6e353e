package httpcache

import "testing"

func TestSelectedBy_RFC9111_4_3_4(t *testing.T) {
	tests := []struct {
		rule            string
		stored, from304 []string
		want            bool
	}{
		{"same strong tag", []string{`ETag: "a"`}, []string{`ETag: "a"`}, true},
		{"other strong tag", []string{`ETag: "a"`}, []string{`ETag: "b"`}, false},
		{"strong 304, weak stored", []string{`ETag: W/"a"`}, []string{`ETag: "a"`}, false},
		{"weak 304, strong stored", []string{`ETag: "a"`}, []string{`ETag: W/"a"`}, true},
		{"weak both", []string{`ETag: W/"a"`}, []string{`ETag: W/"a"`}, true},
		{"tag in the 304 only", nil, []string{`ETag: "a"`}, false},
		{"malformed tag", []string{`ETag: "a"`}, []string{`ETag: a`}, false},
		{"tag beats date", []string{`ETag: "a"`, "Last-Modified: " + date(-9)}, []string{`ETag: "a"`, "Last-Modified: " + date(0)}, true},
		{"same date", []string{"Last-Modified: " + date(-9)}, []string{"Last-Modified: " + date(-9)}, true},
		{"other date", []string{"Last-Modified: " + date(-9)}, []string{"Last-Modified: " + date(0)}, false},
		{"no validator in the 304", []string{`ETag: "a"`}, nil, true},
	}
	for _, tt := range tests {
		equal(t, tt.rule, SelectedBy(head(tt.stored...), head(tt.from304...)), tt.want)
	}
}

func TestFreshen_RFC9111_3_2(t *testing.T) {
	stored := head("Date: "+date(-100), "Age: 7", "Cache-Control: max-age=60", "X-A: 1", "X-A: 2", "X-B: keep", `ETag: "a"`,
		"Content-Length: 10", "Content-Encoding: gzip", "Content-Range: x", "Content-Type: text/plain")
	from := head("date: "+date(0), "cache-control: max-age=90", "x-a: 3", "X-New: n", "Content-Length: 0", "content-encoding: br", "Content-Range: y",
		"Content-Digest: d", "Content-Type: text/html", "Connection: X-Hop", "X-Hop: 1", "Transfer-Encoding: chunked", "Set-Cookie: a=b")
	before := show(stored)
	want := "X-B: keep\nETag: \"a\"\nContent-Length: 10\nContent-Encoding: gzip\nContent-Range: x\n" +
		"date: " + date(0) + "\ncache-control: max-age=90\nx-a: 3\nX-New: n\nContent-Type: text/html\n"
	for _, h := range []Header{from, plain{from}} {
		equal(t, "merged", show(Freshen(stored, h)), want)
	}
	equal(t, "stored is not changed", show(stored), before)
}

func TestFreshen_SetCookieOnlyWhereStored(t *testing.T) {
	got := Freshen(head("Set-Cookie: old=1", "X: y"), head("Set-Cookie: new=1"))
	equal(t, "opted in", show(got), "X: y\nSet-Cookie: new=1\n")
	got = Freshen(head("X: y"), head("set-cookie: new=1", "Set-Cookie2: z"))
	equal(t, "not opted in", show(got), "X: y\n")
}

// The documented sequence after a 304 makes a response fresh again, also when the 304 has no Date.
func TestFreshen_ThenFresh(t *testing.T) {
	stored := head("Date: "+date(0), "Cache-Control: max-age=60", `ETag: "a"`)
	old := NewMeta(200, stored, t0, t0)
	stored = StoredFields(stored, &old)
	r := get()
	equal(t, "stale before", Decide(&old, &r, after(100), &Policy{}).Use, UseRevalidate)

	fresh := Freshen(stored, head(`ETag: "a"`))
	m := NewMeta(200, fresh, after(100), after(100))
	equal(t, "storable", Storable(&r, &m, fresh, &Policy{}), ReasonNone)
	equal(t, "fresh after", Decide(&m, &r, after(159), &Policy{}).Use, UseFresh)
	equal(t, "Date of the 304's arrival", StoredFields(fresh, &m).Value("Date"), date(100))

	private := Freshen(stored, head("Cache-Control: private"))
	m = NewMeta(200, private, after(100), after(100))
	equal(t, "a 304 may take leave away", Storable(&r, &m, private, &Policy{}), ReasonPrivate)
}
