package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// RFC 9110, 13.2.2 and RFC 9111, 4.3.2: a client's conditions on what is stored.
func TestHTTP_ConditionsOnAHit(t *testing.T) {
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	modified := at(-time.Hour)
	s := newSystem(t, answering(200, "Cache-Control: max-age=600", `ETag: W/"a,b"`, "Last-Modified: "+modified, "Vary: Foo", "Expires: "+at(time.Hour),
		"Content-Location: /x", "Content-Type: text/x"))
	s.get("/").expect(t, 200, "1", "stored")
	for _, c := range []struct {
		lines  []string
		status int
	}{
		{[]string{"If-None-Match: *"}, 304},
		{[]string{`If-None-Match: "x", W/"y","a,b"`}, 304},
		{[]string{`If-None-Match: "x"`, `If-None-Match: W/"a,b"`}, 304},
		{[]string{`If-None-Match: "a", "b"`}, 200},
		{[]string{`If-None-Match: "x"`, "If-Modified-Since: " + at(0)}, 200},
		{[]string{`If-None-Match: "a,b"`, "If-Modified-Since: " + at(-2*time.Hour)}, 304},
		{[]string{"If-Modified-Since: " + modified}, 304},
		{[]string{"If-Modified-Since: " + at(-2*time.Hour)}, 200},
		{[]string{"If-Modified-Since: yesterday"}, 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := s.do(method, "/", c.lines...)
			if r.status != c.status || !strings.Contains(r.header.Get("Cache-Status"), "edge-1; hit") {
				t.Errorf("%s %q: %d %v", method, c.lines, r.status, r.header)
			}
			if r.status != 304 {
				continue
			}
			for _, name := range []string{"ETag", "Date", "Cache-Control", "Content-Location", "Expires", "Vary"} {
				if r.header.Get(name) == "" {
					t.Errorf("%s %q: no %s in a 304", method, c.lines, name)
				}
			}
		}
	}
	if n := s.fetched.Load(); n != 1 {
		t.Errorf("%d requests upstream", n)
	}
}

// RFC 9110, 13.1.1 and 13.1.4: If-Match and If-Unmodified-Since are for the origin, also beside a fresh response.
func TestHTTP_PreconditionsGoToTheOrigin(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Match")+r.Header.Get("If-Unmodified-Since") != "" {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		cacheable("x")(w, r)
	})
	s.get("/").expect(t, 200, "x", "stored")
	s.get("/", `If-Match: "v0"`).expect(t, 412, "", "fwd=bypass; fwd-status=412")
	s.get("/", "If-Unmodified-Since: "+time.Now().UTC().Format(http.TimeFormat)).expect(t, 412, "", "fwd=bypass; fwd-status=412")
	s.get("/").expect(t, 200, "x", "hit")
}

// RFC 9111, 4.3.3 and 4.3.4: what we ask about is what we have, whatever the client has; a 304 freshens that and no
// other variant.
func TestHTTP_A304FreshensItsOwnVariant(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		language := r.Header.Get("Accept-Language")
		tag := `"` + language + `"`
		asked = append(asked, r.Header.Get("If-None-Match"))
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "Accept-Language")
		w.Header().Set("ETag", tag)
		w.Header().Set("X-Times", fmt.Sprint(len(asked)))
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, language)
	})
	s.get("/", "Accept-Language: de", `If-None-Match: "mine"`).expect(t, 200, "de", "stored")
	s.get("/", "Accept-Language: fr").expect(t, 200, "fr", "stored")
	s.clock.advance(61 * time.Second)
	s.get("/", "Accept-Language: de", `If-None-Match: "mine"`).expect(t, 200, "de", "fwd=stale; fwd-status=304")
	r := s.get("/", "Accept-Language: de")
	if r.expect(t, 200, "de", "hit"); r.header.Get("X-Times") != "3" {
		t.Errorf("not freshened: %v", r.header)
	}
	s.get("/", "Accept-Language: fr").expect(t, 200, "fr", "fwd=stale; fwd-status=304")
	if got := strings.Join(asked, " "); got != `  "de" "fr"` {
		t.Errorf("asked with %q", got)
	}
}

// RFC 9111, 3.2: a 304 changes the stored fields but those that describe the stored bytes.
func TestHTTP_A304UpdatesFields(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Cache-Control", "max-age=60")
		if r.Header.Get("If-None-Match") != "" {
			setLines(w, []string{"X-Field: new", "Content-Encoding: gzip", "Content-Range: bytes 0-1/2", "Set-Cookie: a=b"})
			w.WriteHeader(http.StatusNotModified)
			return
		}
		setLines(w, []string{"X-Field: old", "X-Kept: yes"})
		fmt.Fprint(w, "hello")
	})
	s.get("/").expect(t, 200, "hello", "stored")
	s.clock.advance(61 * time.Second)
	// The cookie of a 304 is for the client whose request it answers, and never stored.
	for _, step := range []struct{ want, cookie string }{{"fwd-status=304", "a=b"}, {"hit", ""}} {
		r := s.get("/")
		r.expect(t, 200, "hello", step.want)
		for name, value := range map[string]string{
			"X-Field": "new", "X-Kept": "yes", "Content-Length": "5", "Content-Encoding": "", "Content-Range": "", "Set-Cookie": step.cookie,
		} {
			if r.header.Get(name) != value {
				t.Errorf("%s: %s: %q, want %q", step.want, name, r.header.Get(name), value)
			}
		}
	}
}

// RFC 9111, 4.3.5: a HEAD is answered by what a GET has stored; when that is stale, it is validated by GET, so that
// nothing that a HEAD tells is left to compare.
func TestHTTP_HeadOfAStaleResponseValidatesIt(t *testing.T) {
	var version atomic.Int64
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("the upstream was sent %s", r.Method)
		}
		w.Header().Set("Cache-Control", "max-age=60, stale-if-error=600")
		w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, version.Load()))
		fmt.Fprint(w, strings.Repeat("x", int(version.Load())))
	})
	version.Store(3)
	s.get("/").expect(t, 200, "xxx", "stored")
	version.Store(5)
	s.clock.advance(61 * time.Second)
	head := s.do("HEAD", "/")
	if head.expect(t, 200, "", "fwd=stale; fwd-status=200"); head.header.Get("ETag") != `"v5"` || head.header.Get("Content-Length") != "5" {
		t.Errorf("%v", head.header)
	}
	waitFor(t, func() bool { return strings.Contains(s.get("/").header.Get("Cache-Status"), "hit") })
	s.get("/").expect(t, 200, "xxxxx", "hit")
}

// RFC 9110, 14.2 and 15.5.17: a range that nothing satisfies is 416 from a complete response, else the upstream's answer.
func TestHTTP_UnsatisfiableRanges(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		http.ServeContent(w, r, "a.bin", time.Time{}, strings.NewReader("0123456789"))
	})
	r := s.get("/a", "Range: bytes=10-")
	if r.status != 416 || !strings.Contains(r.header.Get("Cache-Status"), "fwd=uri-miss; fwd-status=416") {
		t.Errorf("on a miss: %d %v", r.status, r.header)
	}
	s.get("/a").expect(t, 200, "0123456789", "fwd=uri-miss")
	r = s.get("/a", "Range: bytes=10-")
	if r.expect(t, 416, "", "hit"); r.header.Get("Content-Range") != "bytes */10" {
		t.Errorf("%v", r.header)
	}
	s.get("/a", "Range: bytes=10-, 3-4").expect(t, 206, "34", "hit")
}

// RFC 9530, 2 and 3: of a 206 made from a stored 200, Content-Digest would be wrong and Repr-Digest is right.
func TestHTTP_DigestsOfParts(t *testing.T) {
	s := newSystem(t, answering(200, "Cache-Control: max-age=60", "Repr-Digest: md5=:xUo7v3FRj6v8qTTJIGrOvw==:", "Content-Digest: md5=:xUo7v3FRj6v8qTTJIGrOvw==:"))
	r := s.get("/")
	if r.expect(t, 200, "1", "stored"); r.header.Get("Content-Digest") == "" {
		t.Errorf("whole: %v", r.header)
	}
	r = s.get("/", "Range: bytes=0-0")
	if r.expect(t, 206, "1", "hit"); r.header.Get("Content-Digest") != "" || r.header.Get("Repr-Digest") == "" {
		t.Errorf("part: %v", r.header)
	}
}
