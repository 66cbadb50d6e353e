package listener

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"tiercache/shared/proxy"
)

const hintText = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"

// hinting sends a hint, waits for go, and replies.
func hinting(proceed <-chan struct{}) Handler {
	return func(ctx context.Context, x proxy.Exchange) {
		x.Hint([]byte("Link: </a.css>\r\n"))
		if proceed != nil {
			<-proceed
		}
		unreading(ctx, x)
	}
}

// The client has the whole 103 before there is a reply, which is as it would be without.
func TestHint_GoesOutAtOnce(t *testing.T) {
	for name, request := range map[string]string{
		"GET":      "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"HEAD":     "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST":     "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
		"absolute": "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
	} {
		proceed := make(chan struct{})
		conn := dial(t, serve(t, hinting(proceed)), request)
		reader := bufio.NewReader(conn)
		got := make([]byte, len(hintText))
		if _, err := io.ReadFull(reader, got); err != nil || string(got) != hintText {
			t.Fatalf("%s: %q, %v", name, got, err)
		}
		close(proceed)
		method, _, _ := strings.Cut(request, " ")
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := io.ReadAll(response.Body)
		want := method + " /"
		if method == "HEAD" {
			want = ""
		}
		if response.StatusCode != 200 || string(body) != want || err != nil || response.Header.Get("Link") != "" {
			t.Errorf("%s: %d %q, %v, %v", name, response.StatusCode, body, response.Header, err)
		}
	}
}

// RFC 9110, 15.2: a client of HTTP/1.0 knows no interim responses.
func TestHint_NeverToHTTP10(t *testing.T) {
	addr := serve(t, hinting(nil))
	for _, fields := range []string{"", "Connection: keep-alive\r\n"} {
		conn := dial(t, addr, "GET / HTTP/1.0\r\nHost: h\r\n"+fields+"\r\nGET /next HTTP/1.0\r\nHost: h\r\n\r\n")
		all, err := io.ReadAll(conn)
		if err != nil || strings.Contains(string(all), "103") || !strings.HasPrefix(string(all), "HTTP/1.") {
			t.Errorf("%q: %q, %v", fields, all, err)
		}
	}
}

// A hint never overtakes the reply to the request before, nor gets into its body.
func TestHint_BetweenPipelinedRequests(t *testing.T) {
	const count = 50
	addr := serve(t, hinting(nil))
	var requests strings.Builder
	for i := range count {
		switch i % 3 {
		case 0:
			requests.WriteString("GET /next HTTP/1.1\r\nHost: h\r\n\r\n")
		case 1:
			requests.WriteString("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
		case 2:
			requests.WriteString("GET /next HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n")
		}
	}
	reader := bufio.NewReader(dial(t, addr, requests.String()))
	for i := range count {
		got := make([]byte, len(hintText))
		if _, err := io.ReadFull(reader, got); err != nil || string(got) != hintText {
			t.Fatalf("%d: %q, %v", i, got, err)
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); err != nil || len(body) < len("GET /next")-2 {
			t.Errorf("%d: %q, %v", i, body, err)
		}
	}
}

// A connection that could not take all of a hint is never sent a reply: it would be read as the rest of the hint.
func TestHint_ThatFailsEndsTheConnection(t *testing.T) {
	failed := make(chan error, 1)
	addr := serve(t, func(_ context.Context, x proxy.Exchange) {
		c := connOf(x.(*exchange).ctx.Conn())
		inner := c.Conn
		c.Conn = &halfWriter{Conn: inner}
		x.Hint([]byte("Link: </a.css>\r\n"))
		c.Conn = inner
		_, err := inner.Write([]byte("x"))
		failed <- err
		unreading(t.Context(), x)
	})
	conn := dial(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	all, _ := io.ReadAll(conn)
	if <-failed == nil || string(all) != hintText[:10] {
		t.Errorf("the client got %q", all)
	}
}

// halfWriter takes the beginning of what is written.
type halfWriter struct{ net.Conn }

func (w *halfWriter) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b[:10])
	if err == nil {
		err = io.ErrShortWrite
	}
	return n, err
}
