package listener

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tiercache/shared/proxy"
	"tiercache/shared/testkit"
)

// serve runs a listener on a free port and returns its address.
func serve(t testing.TB, handle Handler) string {
	t.Helper()
	addr := testkit.FreeAddr(t)
	testkit.Start(t, New(Config{Addr: addr, DrainTimeout: 5 * time.Second}, handle, slog.New(slog.DiscardHandler)).Run)
	return addr
}

// exchangeRaw sends raw bytes and returns the first response and whether the connection was closed behind it.
func exchangeRaw(t *testing.T, addr, raw string) (response *http.Response, body string, closed bool) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	method, _, _ := strings.Cut(raw, " ")
	response, err = http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.60q: %v", raw, err)
	}
	content, _ := io.ReadAll(response.Body)
	return response, string(content), response.Close
}

// echo replies with what the listener made of the request.
func echo(_ context.Context, x proxy.Exchange) {
	body, length := x.Body()
	n := int64(0)
	if body != nil {
		n, _ = io.Copy(io.Discard, body)
	}
	text := fmt.Sprintf("%s %s %s %d/%d", x.Method(), x.Authority(), x.Target(), n, length)
	x.Reply(200, []byte("Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: up\r\nContent-Type: a/b\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"), proxy.Payload{Bytes: []byte(text)})
}

func TestListener_ReadsTheRequestAsItCame(t *testing.T) {
	addr := serve(t, echo)
	for raw, want := range map[string]string{
		"GET /a%2Fb//c/../d?x=%20 HTTP/1.1\r\nHost: H.example:1\r\n\r\n":                        "GET H.example:1 /a%2Fb//c/../d?x=%20 0/0",
		"GET http://abs.example:9/p?q HTTP/1.1\r\nHost: other\r\n\r\n":                          "GET abs.example:9 /p?q 0/0",
		"GET http://abs.example HTTP/1.1\r\nHost: other\r\n\r\n":                                "GET abs.example / 0/0",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc":                            "POST h / 3/3",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n": "POST h / 3/-1",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \tChunked \r\n\r\n0\r\n\r\n":          "POST h / 0/-1",
		"GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: a\r\n", 127) + "\r\n":              "GET h / 0/0",
	} {
		response, body, closed := exchangeRaw(t, addr, raw)
		if body != want || closed {
			t.Errorf("%.40q: got %q, closed %t; want %q", raw, body, closed, want)
		}
		h := response.Header
		if h.Get("Date") != "Mon, 01 Jan 2024 00:00:00 GMT" || h.Get("Server") != "up" || h.Get("Content-Type") != "a/b" || len(h["Set-Cookie"]) != 2 {
			t.Errorf("fields changed on their way out: %v", h)
		}
	}
}

func TestListener_MalformedIsRefusedAndClosed(t *testing.T) {
	addr := serve(t, echo)
	for name, c := range map[string]struct {
		raw    string
		status int
	}{
		"garbage":      {"\x00\x01\x02\r\n\r\n", 400},
		"no version":   {"GET /\r\n\r\n", 400},
		"huge head":    {"GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("a", 40<<10) + "\r\n\r\n", 431},
		"bad length":   {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400},
		"two lengths":  {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		"cl and te":    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"te in 1.0":    {"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"http/3.0":     {"GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505},
		"folded":       {"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", 400},
		"two hosts":    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		"no name":      {"GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n", 400},
		"space colon":  {"GET / HTTP/1.1\r\nHost: h\r\nX : b\r\n\r\n", 400},
		"bare cr":      {"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400},
		"identity":     {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", 501},
		"gzip":         {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
		"empty coding": {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n", 400},
		"bare lf":      {"GET / HTTP/1.1\r\nHost: h\r\nX: a\nY: b\r\n\r\n", 400},
		"bare lf host": {"GET / HTTP/1.1\r\nHost: h\n\r\n\r\n", 400},
		"bare lf end":  {"GET / HTTP/1.1\r\nHost: h\r\n\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
		"many lines":   {"GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: a\r\n", 128) + "\r\n", 431},
		"space in key": {"GET / HTTP/1.1\r\nHost: h\r\nX Y: 1\r\n\r\n", 400},
	} {
		response, _, closed := exchangeRaw(t, addr, c.raw)
		if response.StatusCode != c.status || !closed {
			t.Errorf("%s: %d, closed %t; want %d and closed", name, response.StatusCode, closed, c.status)
		}
		if response.Header.Get("Date") == "" || response.Header.Get("Proxy-Status") == "" {
			t.Errorf("%s: no Date or Proxy-Status: %v", name, response.Header)
		}
	}
	if _, body, _ := exchangeRaw(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); body != "GET h / 0/0" {
		t.Errorf("the next client got %q", body)
	}
}

// failing is a body that breaks behind its first bytes.
type failing struct{ io.Reader }

func (failing) Close() error { return nil }

func TestListener_BrokenStreamsAreCut(t *testing.T) {
	for _, length := range []int64{-1, 100} {
		addr := serve(t, func(_ context.Context, x proxy.Exchange) {
			x.Reply(200, nil, proxy.Payload{Length: length, Stream: failing{io.MultiReader(strings.NewReader("some"), &broken{})}})
		})
		response, err := http.Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); err == nil {
			t.Errorf("length %d: %q was passed off as whole", length, body)
		}
		response.Body.Close()
	}
}

type broken struct{}

func (*broken) Read([]byte) (int, error) { return 0, errors.New("upstream is gone") }

func TestListener_HeadAndEmptyReplies(t *testing.T) {
	addr := serve(t, func(_ context.Context, x proxy.Exchange) {
		switch x.Target() {
		case "/204":
			x.Reply(204, nil, proxy.Payload{})
		case "/304":
			x.Reply(304, []byte("Etag: \"x\"\r\n"), proxy.Payload{})
		default:
			x.Reply(200, nil, proxy.Payload{Length: 77})
		}
	})
	for raw, want := range map[string]int64{"HEAD / ": 77, "GET /204 ": 0, "GET /304 ": 0} {
		response, body, closed := exchangeRaw(t, addr, raw+"HTTP/1.1\r\nHost: h\r\n\r\n")
		if body != "" || closed || response.ContentLength != want && response.StatusCode == 200 {
			t.Errorf("%s: %d %q, length %d, closed %t", raw, response.StatusCode, body, response.ContentLength, closed)
		}
	}
}

func TestListener_DrainsWhatIsInFlight(t *testing.T) {
	addr := testkit.FreeAddr(t)
	entered, hold := make(chan struct{}), make(chan struct{})
	l := New(Config{Addr: addr, DrainTimeout: 10 * time.Second}, func(_ context.Context, x proxy.Exchange) {
		close(entered)
		<-hold
		x.Reply(200, nil, proxy.Payload{Bytes: []byte("late")})
	}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- l.Run(ctx, func() { close(ready) }) }()
	<-ready
	got := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + addr)
		if err != nil {
			got <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		got <- string(body)
	}()
	<-entered
	cancel()
	close(hold)
	if body := <-got; body != "late" {
		t.Errorf("a request in flight got %q", body)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A panic ends its own request: the client is told, the connection closed, and others are served.
func TestListener_APanicEndsOneRequest(t *testing.T) {
	addr := serve(t, func(_ context.Context, x proxy.Exchange) {
		if x.Target() == "/panic" {
			panic("a bug")
		}
		if x.Target() == "/panic-behind-the-head" {
			x.Reply(200, nil, proxy.Payload{Stream: io.NopCloser(panics{}), Length: 5})
			return
		}
		x.Reply(204, nil, proxy.Payload{})
	})
	const panicking = "GET /panic HTTP/1.1\r\nHost: h\r\n\r\n"
	if got := converse(t, addr, panicking+next); len(got) != 1 || !strings.HasPrefix(got[0], "500") {
		t.Errorf("%q", got)
	}
	response, err := http.Get("http://" + addr + "/panic-behind-the-head")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("a body that panics is passed off as whole: %q", body)
	}
	if got := converse(t, addr, next); fmt.Sprint(got) != "[204]" {
		t.Errorf("afterwards: %q", got)
	}
}

type panics struct{}

func (panics) Read([]byte) (int, error) { panic("a bug") }

// A node may be told to stop before fasthttp knows of the socket.
func TestListener_StopRightAtTheStart(t *testing.T) {
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		l := New(Config{Addr: "127.0.0.1:0", DrainTimeout: 5 * time.Second}, echo, slog.New(slog.DiscardHandler))
		stopped := make(chan error, 1)
		go func() { stopped <- l.Run(ctx, cancel) }()
		select {
		case err := <-stopped:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it never stops")
		}
	}
}

// BenchmarkListener_Serve is a request and a reply of 1 KiB over a connection of the loopback interface, with no proxy
// behind the listener; its client is part of it.
func BenchmarkListener_Serve(b *testing.B) {
	head, body := []byte("Content-Type: text/html\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"), make([]byte, 1024)
	addr := serve(b, func(_ context.Context, x proxy.Exchange) { x.Reply(200, head, proxy.Payload{Bytes: body}) })
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	request, reply := []byte("GET /some/path HTTP/1.1\r\nHost: site.example\r\n\r\n"), make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		n := 0
		for !bytes.HasSuffix(reply[:n], body) {
			m, err := conn.Read(reply[n:])
			if err != nil {
				b.Fatal(err)
			}
			n += m
		}
	}
}
