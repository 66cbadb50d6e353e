package proxy_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"tiercache/shared/object"
)

// content is a body of n bytes in which each place can be told.
func content(n int) string {
	random := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%d,", random.Uint64())
	}
	return b.String()[:n]
}

func whole(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" || r.Header.Get("If-Range") != "" {
			http.Error(w, "the whole is to be fetched", http.StatusTeapot)
			return
		}
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Type", "text/x-test")
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = io.WriteString(w, body)
	}
}

// sizes are those of a body beside its entry and of one in several segments.
func sizes() map[string]int {
	return map[string]int{"inline": 1000, "segments": 3*object.SegmentSize + 1000}
}

// RFC 9110, 14.2, 15.3.7 and 15.5.17: parts of a complete stored response.
func TestRange_OfAHit(t *testing.T) {
	for name, size := range sizes() {
		t.Run(name, func(t *testing.T) {
			body := content(size)
			s := newSystem(t, whole(body))
			s.get("/a").expect(t, 200, body, "fwd=uri-miss")
			for _, c := range []struct{ field, span, want string }{
				{"bytes=0-4", "bytes 0-4/%d", body[:5]},
				{"bytes=500-", "bytes 500-%[2]d/%[1]d", body[500:]},
				{"bytes=-7", "bytes %[3]d-%[2]d/%[1]d", body[size-7:]},
				{fmt.Sprintf("bytes=%d-%d", size/2, size/2+300), fmt.Sprintf("bytes %d-%d/%d", size/2, size/2+300, size), body[size/2 : size/2+301]},
				{"bytes=0-99999999", "bytes 0-%[2]d/%[1]d", body},
			} {
				r := s.get("/a", "Range: "+c.field)
				r.expect(t, 206, c.want, "edge-1; hit")
				want := strings.Split(fmt.Sprintf(c.span, size, size-1, size-7), "%!")[0]
				if got := r.header.Get("Content-Range"); got != want || r.header.Get("Content-Length") != fmt.Sprint(len(c.want)) ||
					r.header.Get("ETag") != `"v1"` || r.header.Get("Content-Type") != "text/x-test" || r.header.Get("Age") == "" {
					t.Errorf("%s: %v, want %s", c.field, r.header, want)
				}
			}
			r := s.get("/a", fmt.Sprintf("Range: bytes=%d-", size))
			r.expect(t, 416, "", "edge-1; hit")
			if got := r.header.Get("Content-Range"); got != fmt.Sprintf("bytes */%d", size) || r.header.Get("ETag") != "" {
				t.Errorf("%v", r.header)
			}
			s.get("/a", "Range: bytes=x").expect(t, 200, body, "edge-1; hit")
			s.get("/a", "Range: bytes=0-4", `If-Range: "v1"`).expect(t, 206, body[:5], "edge-1; hit")
			s.get("/a", "Range: bytes=0-4", `If-Range: "v0"`).expect(t, 200, body, "edge-1; hit")
			s.get("/a", "Range: bytes=0-4", `If-None-Match: "v1"`).expect(t, 304, "", "edge-1; hit")
			head := s.do("HEAD", "/a", "Range: bytes=0-4")
			head.expect(t, 200, "", "edge-1; hit")
			if head.header.Get("Content-Length") != fmt.Sprint(size) {
				t.Errorf("HEAD: %v", head.header)
			}
			if n := s.fetched.Load(); n != 1 {
				t.Errorf("%d fetches", n)
			}
		})
	}
}

// RFC 9110, 14.6.
func TestRange_Several(t *testing.T) {
	for name, size := range sizes() {
		t.Run(name, func(t *testing.T) {
			body := content(size)
			s := newSystem(t, whole(body))
			for _, from := range []string{"fwd=uri-miss", "edge-1; hit"} {
				r := s.get("/a", fmt.Sprintf("Range: bytes=1-3, 100-%d, -2", size/2))
				if r.status != 206 || r.err != nil || !strings.Contains(r.header.Get("Cache-Status"), from) || r.header.Get("Content-Range") != "" ||
					r.header.Get("Content-Length") != fmt.Sprint(len(r.body)) {
					t.Fatalf("%d, %v, %v", r.status, r.err, r.header)
				}
				media, parameters, err := mime.ParseMediaType(r.header.Get("Content-Type"))
				if err != nil || media != "multipart/byteranges" {
					t.Fatalf("%s: %v", media, err)
				}
				parts := multipart.NewReader(strings.NewReader(r.body), parameters["boundary"])
				for _, want := range []string{body[1:4], body[100 : size/2+1], body[size-2:]} {
					part, err := parts.NextRawPart()
					if err != nil {
						t.Fatal(err)
					}
					at := strings.Index(body, want)
					got, err := io.ReadAll(part)
					if string(got) != want || err != nil || part.Header.Get("Content-Type") != "text/x-test" ||
						len(want) > 20 && part.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", at, at+len(want)-1, size) {
						t.Errorf("%d bytes, %v, %v", len(got), part.Header, err)
					}
				}
				if _, err := parts.NextPart(); err != io.EOF {
					t.Errorf("after the last part: %v", err)
				}
			}
		})
	}
	body := content(sizes()["segments"])
	s := newSystem(t, whole(body))
	s.get("/a", "Range: bytes=5-6,0-1").expect(t, 200, body, "fwd=uri-miss") // it cannot be read backwards
	s.get("/a", "Range: bytes=5-6,0-1").expect(t, 200, body, "hit")
}

// A range on a miss is a part of the fill, which stores the whole.
func TestRange_OfAMissIsCutFromTheFill(t *testing.T) {
	for name, size := range sizes() {
		t.Run(name, func(t *testing.T) {
			body := content(size)
			s := newSystem(t, whole(body))
			s.get("/a", fmt.Sprintf("Range: bytes=0-%d", size/2)).expect(t, 206, body[:size/2+1], "fwd=uri-miss")
			waitFor(t, func() bool { // the part is out before the body is stored
				return strings.Contains(s.get("/a", "Range: bytes=0-0").header.Get("Cache-Status"), "hit")
			})
			s.get("/a").expect(t, 200, body, "hit")
			if n := s.fetched.Load(); n != 1 {
				t.Errorf("%d fetches", n)
			}
		})
	}
}

// What lies behind a lost segment is never taken for what was asked.
func TestRange_LostSegment(t *testing.T) {
	body := content(3*object.SegmentSize + 1000)
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		http.ServeContent(w, r, "a.bin", time.Time{}, strings.NewReader(body))
	})
	s.get("/a").expect(t, 200, body, "fwd=uri-miss")
	s.store.each(func(_ string, value []byte) []byte {
		if strings.Contains(string(value), body[object.SegmentSize:object.SegmentSize+100]) {
			return nil // the second
		}
		return value
	})
	s.get("/a", "Range: bytes=10-19").expect(t, 206, body[10:20], "hit")
	s.get("/a", "Range: bytes=-10").expect(t, 206, body[len(body)-10:], "hit")
	from := object.SegmentSize + 5
	s.get("/a", fmt.Sprintf("Range: bytes=%d-%d", from, from+9)).expect(t, 206, body[from:from+10], "fwd=")
}

// RFC 9111, 3.3: a part is kept for what lies within it, and not for anything else.
func TestRange_PartsThatDoNotBeginAtTheFront(t *testing.T) {
	for name, size := range map[string]int{"small": 1000, "a segment": object.SegmentSize + 500} {
		t.Run(name, func(t *testing.T) {
			body := content(size)
			s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("ETag", `"v1"`)
				http.ServeContent(w, r, "a.bin", time.Time{}, strings.NewReader(body))
			})
			field := fmt.Sprintf("Range: bytes=500-%d", size-101)
			s.get("/a", field).expect(t, 206, body[500:size-100], "fwd=uri-miss; fwd-status=206")
			for _, c := range []struct {
				first, last int
				hit         bool
			}{{500, size - 101, true}, {600, 600, true}, {700, size - 101, true}, {700, size - 100, false}, {499, 600, false}} {
				n := s.fetched.Load()
				r := s.get("/a", fmt.Sprintf("Range: bytes=%d-%d", c.first, c.last))
				r.expect(t, 206, body[c.first:c.last+1], "edge-1; ")
				if hit := s.fetched.Load() == n; hit != c.hit || r.header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", c.first, c.last, size) {
					t.Errorf("%d-%d: a hit is %v, %v", c.first, c.last, hit, r.header)
				}
				s.get("/a", field) // it is the one that is kept again
			}
			s.get("/a").expect(t, 200, body, "fwd=uri-miss")
			s.get("/a", "Range: bytes=-1").expect(t, 206, body[size-1:], "hit")
		})
	}
}

// What an unsafe method or time has taken away is not answered from a part either.
func TestRange_PartsThatAreGone(t *testing.T) {
	body := content(1000)
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		http.ServeContent(w, r, "a.bin", time.Time{}, strings.NewReader(body))
	})
	part := func(want string) {
		t.Helper()
		s.get("/a", "Range: bytes=5-9").expect(t, 206, body[5:10], want)
	}
	part("fwd=uri-miss")
	part("edge-1; hit")
	s.do("POST", "/a")
	part("fwd=uri-miss")
	part("edge-1; hit")
	s.clock.advance(61 * time.Second)
	part("fwd=uri-miss")
	s.get("/a", "Range: bytes=5-9", "If-Range: \"other\"").expect(t, 200, body, "fwd=")
}
