package httpcache

import (
	"slices"
	"testing"
)

// RFC 9110, 12.5.3: the client's weights, then the server's order.
func TestPreferred(t *testing.T) {
	codings := []string{"zstd", "br", "gzip"}
	for accept, want := range map[string]int{
		"gzip, deflate, br, zstd": 0, "gzip, br": 1, "gzip": 2, "x-gzip": 2, "gzip;q=1, br;q=0.9": 2, "*": 0, "deflate": -1, "identity": -1, "": -1,
		"gzip;q=0": -1, "gzip;q=0.5, identity": -1, "gzip;q=0.5, identity;q=0.4": 2, "zstd;q=0, *;q=0.1": 1, "GZIP": 2,
	} {
		if got := Preferred(Fields{{"Accept-Encoding", accept}}, codings); got != want {
			t.Errorf("%q: %d, want %d", accept, got, want)
		}
	}
	if got := Preferred(Fields{}, codings); got != -1 {
		t.Errorf("without the field: %d", got)
	}
	if got := Preferred(Fields{{"Accept-Encoding", "gzip"}}, nil); got != -1 {
		t.Errorf("without codings: %d", got)
	}
}

func TestEncodedFields_AreThoseOfAnotherRepresentation(t *testing.T) {
	f := head(`ETag: "a"`, "Content-Length: 10", "Content-Type: text/html", "Repr-Digest: sha-256=:x:", "Content-Digest: sha-256=:x:",
		"Content-MD5: x", "Accept-Ranges: bytes", "Vary: Accept", "Cache-Control: max-age=1")
	want := head(`ETag: W/"a"`, "Content-Type: text/html", "Vary: Accept", "Cache-Control: max-age=1", "Content-Encoding: br", "Vary: Accept-Encoding")
	if got := EncodedFields(f, "br"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if f.Value("ETag") != `"a"` {
		t.Error("the original has changed")
	}
	weak := EncodedFields(head(`ETag: W/"a"`, "Vary: accept-encoding"), "gzip")
	if weak.Value("ETag") != `W/"a"` || weak.Value("Vary") != "accept-encoding" || len(weak) != 3 {
		t.Errorf("%q", weak)
	}
}

// RFC 9110, 7.7: no-transform is obeyed.
func TestMayEncode(t *testing.T) {
	for line, want := range map[string]bool{
		"Content-Type: text/html": true, "Content-Encoding: gzip": false, "Content-Encoding: identity": false,
		"Cache-Control: no-transform": false, "Content-Range: bytes 0-1/2": false,
	} {
		f := head(line)
		m := NewMeta(200, f, t0, t0)
		if got := MayEncode(&m, f); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
	for _, status := range []int{204, 206, 304, 404} {
		if m := NewMeta(status, Fields{}, t0, t0); MayEncode(&m, Fields{}) {
			t.Errorf("%d", status)
		}
	}
}
