package endtoend

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// app is a small site with habits that caches get wrong.
type app struct {
	url     string
	stop    func() // ends the site; a second call does nothing
	plain   string
	chunked []byte // a large body of unknown length

	serial  atomic.Int64 // numbers cookies and errors
	broken  atomic.Bool  // /stale answers 500
	cutting atomic.Bool  // /cut/... ends its bodies too early
	entity  atomic.Int64 // the version that /entity is at

	mu struct {
		sync.Mutex
		asked  map[string]int           // requests by path
		gates  map[string]chan struct{} // streams wait for them between their parts
		notMod int                      // requests answered with 304
	}
}

func newApp(t *testing.T) *app {
	t.Helper()
	a := &app{plain: "plain and cacheable\n", chunked: pattern(5<<20+77, 5)}
	a.mu.asked, a.mu.gates = map[string]int{}, map[string]chan struct{}{}
	server := httptest.NewServer(a.handler())
	a.url, a.stop = server.URL, sync.OnceFunc(func() {
		server.CloseClientConnections()
		server.Close()
	})
	t.Cleanup(a.stop)
	return a
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/plain", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		io.WriteString(w, a.plain)
	})
	mux.HandleFunc("/stream/", a.stream)
	mux.HandleFunc("/chunked", a.sendChunked)
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		http.Redirect(w, r, "/target?of=redirect", http.StatusFound)
	})
	mux.HandleFunc("/cookie", a.setCookie)
	mux.HandleFunc("/account", a.account)
	mux.HandleFunc("/error", a.fail)
	mux.HandleFunc("/stale", a.staleIfError)
	mux.HandleFunc("/cut/", a.cut)
	mux.HandleFunc("/entity", a.sendEntity)
	mux.HandleFunc("/item", a.item)
	mux.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d bytes, %v", n, err)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.mu.asked[r.URL.Path]++
		a.mu.Unlock()
		mux.ServeHTTP(w, r)
	})
}

// asked is how often a path was asked for.
func (a *app) asked(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.asked[path]
}

// gate is what the stream at path waits for between its parts: each value lets one part go.
func (a *app) gate(path string) chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.gates[path] == nil {
		a.mu.gates[path] = make(chan struct{})
	}
	return a.mu.gates[path]
}

// streamParts is how many parts a stream has.
const streamParts = 3

func streamPart(i int) string { return fmt.Sprintf("part %d\n", i) }

// stream sends a part at a time, each when the test lets it. /stream/private may not be shared.
func (a *app) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	if strings.HasSuffix(r.URL.Path, "private") {
		w.Header().Set("Cache-Control", "private")
	}
	gate := a.gate(r.URL.Path)
	for i := range streamParts {
		if i > 0 {
			select {
			case <-gate:
			case <-r.Context().Done():
				return
			}
		}
		io.WriteString(w, streamPart(i))
		w.(http.Flusher).Flush()
	}
}

func (a *app) sendChunked(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	for rest := a.chunked; len(rest) > 0; {
		n := min(len(rest), 50_000)
		w.Write(rest[:n])
		w.(http.Flusher).Flush()
		rest = rest[n:]
	}
}

// setCookie hands each asker a cookie of its own in a response that it calls cacheable.
func (a *app) setCookie(w http.ResponseWriter, _ *http.Request) {
	n := a.serial.Add(1)
	w.Header().Set("Cache-Control", "max-age=3600")
	http.SetCookie(w, &http.Cookie{Name: "session", Value: fmt.Sprint(n)})
	fmt.Fprintf(w, "for session %d", n)
}

// account answers with who asks, and forgets to say that this is not for others.
func (a *app) account(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	io.WriteString(w, "account of "+r.Header.Get("Authorization"))
}

func (a *app) fail(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, fmt.Sprintf("failure %d", a.serial.Add(1)), http.StatusInternalServerError)
}

// staleIfError may be served stale while broken is set.
func (a *app) staleIfError(w http.ResponseWriter, _ *http.Request) {
	if a.broken.Load() {
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "max-age=0, stale-if-error=3600")
	w.Header().Set("ETag", `"stale"`)
	io.WriteString(w, "the last good one")
}

// cut ends its body in the middle while cutting is set: by fewer bytes than promised, between two chunks,
// or in a chunk.
func (a *app) cut(w http.ResponseWriter, r *http.Request) {
	whole := strings.Repeat("0123456789", 1000)
	w.Header().Set("Cache-Control", "max-age=3600")
	if !a.cutting.Load() {
		io.WriteString(w, whole)
		return
	}
	half, framing := whole[:len(whole)/2], fmt.Sprintf("Content-Length: %d\r\n\r\n", len(whole))
	switch {
	case strings.HasSuffix(r.URL.Path, "between-chunks"):
		half, framing = fmt.Sprintf("%x\r\n%s\r\n", len(half), half), "Transfer-Encoding: chunked\r\n\r\n"
	case strings.HasSuffix(r.URL.Path, "in-chunk"):
		half, framing = fmt.Sprintf("%x\r\n%s", len(whole), half), "Transfer-Encoding: chunked\r\n\r\n"
	}
	conn, out, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	out.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=3600\r\n" + framing + half)
	out.Flush()
}

// sendEntity must be asked about before each use, and answers a condition that holds with 304.
func (a *app) sendEntity(w http.ResponseWriter, r *http.Request) {
	tag := fmt.Sprintf(`"v%d"`, a.entity.Load())
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		a.mu.Lock()
		a.mu.notMod++
		a.mu.Unlock()
		w.WriteHeader(http.StatusNotModified)
		return
	}
	io.WriteString(w, "entity "+tag)
}

// notModified is how many requests were answered with 304.
func (a *app) notModified() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.notMod
}

// item is changed by POST.
func (a *app) item(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		a.serial.Add(1)
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "posted %q %v", body, err)
		return
	}
	w.Header().Set("Cache-Control", "max-age=3600")
	w.Header().Set("Last-Modified", time.Unix(1_700_000_000, 0).UTC().Format(http.TimeFormat))
	fmt.Fprintf(w, "item %d", a.serial.Load())
}
