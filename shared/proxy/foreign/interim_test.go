package foreign

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
)

// hinted is a request whose hints go to a channel, as their Link.
func hinted(method string) (*proxy.Request, chan string) {
	links := make(chan string, 10_000)
	return &proxy.Request{Method: method, Target: "/", Hint: func(f httpcache.Fields) { links <- f.Value("Link") }}, links
}

func drained(links chan string) (list []string) {
	close(links)
	for l := range links {
		list = append(list, l)
	}
	return list
}

// A hint is handed over while the upstream still works on the response, of which it is no part.
func TestHints_ComeBeforeTheResponse(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "POST"} {
		proceed := make(chan struct{})
		url := raw(t, func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nX: 103\r\n\r\n")
			<-proceed
			fmt.Fprint(c, "HTTP/1.1 102 Processing\r\nLink: </no>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		})
		r, links := hinted(method)
		if method == "POST" {
			r.Body, r.Length = strings.NewReader("x"), 1
		}
		done := make(chan error, 1)
		go func() {
			response, err := fetch(t, serviceOf(url, 10*time.Second), r)
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if response.Status != http.StatusOK || response.Header.Has("Link") || response.Header.Has("X") {
					t.Errorf("%s: %d %v", method, response.Status, response.Header)
				}
			}
			done <- err
		}()
		if got := <-links; got != "</a.css>" {
			t.Errorf("%s: %q", method, got)
		}
		close(proceed)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", method, err)
		}
		if rest := drained(links); len(rest) != 0 {
			t.Errorf("%s: then %q", method, rest)
		}
	}
}

// Neither many small interim responses nor few large ones take memory or time without end.
func TestHints_InterimResponsesAreBounded(t *testing.T) {
	for name, head := range map[string]string{
		"small": "HTTP/1.1 100 Continue\r\n\r\n",
		"large": "HTTP/1.1 103 Early Hints\r\nX: " + strings.Repeat("x", 20_000) + "\r\n\r\n",
	} {
		url := raw(t, func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, head); err != nil {
					return
				}
			}
		})
		r, links := hinted("GET")
		if _, err := fetch(t, serviceOf(url, 10*time.Second), r); !errors.Is(err, proxy.ErrProtocol) {
			t.Errorf("%s: %v, want ErrProtocol", name, err)
		}
		if n := len(links); n > maxInterimBytes/interimOverhead {
			t.Errorf("%s: %d hints", name, n)
		}
	}
}

// RFC 9112, 6.3: an interim response has no content, whatever it says. What an upstream claims to be some is the next
// head or no HTTP.
func TestHints_InterimResponsesHaveNoContent(t *testing.T) {
	const final = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
	for name, c := range map[string]struct{ raw, body string }{
		"length":             {"Content-Length: 5\r\n\r\n" + final + "ok", "ok"},
		"length and bytes":   {"Content-Length: 5\r\n\r\nhello" + final + "ok", ""},
		"chunked":            {"Transfer-Encoding: chunked\r\n\r\n" + final + "ok", "ok"},
		"chunked and chunks": {"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + final + "ok", ""},
		"no fields":          {"\r\n" + final + "ok", "ok"},
		"folded":             {"Link: </a>;\r\n rel=preload\r\n\r\n" + final + "ok", "ok"},
		"no name":            {": x\r\n\r\n" + final + "ok", ""},
	} {
		url := raw(t, func(conn net.Conn) { fmt.Fprint(conn, "HTTP/1.1 103 Early Hints\r\n"+c.raw) })
		r, _ := hinted("GET")
		response, err := fetch(t, serviceOf(url, 10*time.Second), r)
		if err != nil {
			if c.body != "" || !errors.Is(err, proxy.ErrProtocol) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if body, err := io.ReadAll(response.Body); string(body) != c.body || err != nil {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		response.Body.Close()
	}
}

// Over HTTP/2 interim responses come in frames of their own.
func TestHints_OverHTTP2(t *testing.T) {
	server := newHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		fmt.Fprint(w, r.Proto)
	})
	c := New()
	t.Cleanup(c.Close)
	c.kept.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	r, links := hinted("GET")
	response, err := c.Fetch(t.Context(), serviceOf(server.URL, 10*time.Second), r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if got := drained(links); string(body) != "HTTP/2.0" || err != nil || !slices.Equal(got, []string{"</a.css>"}) || response.Header.Has("Link") {
		t.Errorf("%q, %v, hints %q, %v", body, err, got, response.Header)
	}
}

func newHTTP2(t *testing.T, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handle)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}
