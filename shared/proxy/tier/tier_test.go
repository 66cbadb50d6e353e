package tier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
	"tiercache/shared/testkit"
)

func client(t *testing.T) *Client {
	t.Helper()
	c := New("secret")
	t.Cleanup(c.Close)
	return c
}

func get(target string) *proxy.Request {
	return &proxy.Request{Method: "GET", Host: "site.example", Target: target}
}

func TestFetch_RequestGoesOutAsItCame(t *testing.T) {
	seen := make(chan *http.Request, 1)
	addr := testkit.Raw(t, func(c net.Conn, r *http.Request) {
		seen <- r
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: origin\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok")
	})
	for _, target := range []string{"/a%2Fb", "//double?x", "/a/../b", "/%7e?a=%20", "/a?", "/?", "//d?", "/a?b=/../c?&=%2f", "/?a//b"} {
		request := get(target)
		request.Header = httpcache.Fields{{Name: "Cookie", Value: "x=1; y=2"}, {Name: "X-A", Value: "1"}, {Name: "X-A", Value: "2"}, {Name: "User-Agent", Value: "curl"}}
		r, err := client(t).Fetch(t.Context(), addr, time.Second, request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "ok" {
			t.Fatalf("%q %v", body, err)
		}
		r.Body.Close()
		got := <-seen
		if got.RequestURI != target || got.Host != "site.example" || got.Header.Get(TokenField) != "secret" || got.Header.Get("Cookie") != "x=1; y=2" || len(got.Header.Values("X-A")) != 2 {
			t.Errorf("sent %s %s %v", got.RequestURI, got.Host, got.Header)
		}
		cookies := 0
		for range r.Header.Values("Set-Cookie") {
			cookies++
		}
		if r.Header.Value("Date") != "Mon, 01 Jan 2024 00:00:00 GMT" || r.Header.Value("Server") != "origin" || cookies != 2 || !r.FromTier || r.Length != 2 {
			t.Errorf("received %v, length %d", r.Header, r.Length)
		}
	}
}

func TestFetch_OnlyWholeBodiesEnd(t *testing.T) {
	sealed := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Tiercache-Length\r\n\r\n4\r\nhalf\r\n"
	for name, c := range map[string]struct {
		raw   string
		whole bool
	}{
		"length":         {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhalf", true},
		"length cut":     {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", false},
		"sealed":         {sealed + "0\r\nTiercache-Length: 4\r\n\r\n", true},
		"wrong seal":     {sealed + "0\r\nTiercache-Length: 5\r\n\r\n", false},
		"unsealed":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n\r\n", false},
		"between chunks": {sealed, false},
		"inside a chunk": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf", false},
		"until the end":  {"HTTP/1.1 200 OK\r\n\r\nhalf", false},
		"bare error":     {"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request", true},
		"proxied error":  {"HTTP/1.1 400 Bad Request\r\nCache-Status: regional-1; detail=x\r\n\r\nhalf", false},
		"chunked error":  {"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false},
	} {
		addr := testkit.Raw(t, func(conn net.Conn, _ *http.Request) { fmt.Fprint(conn, c.raw) })
		r, err := client(t).Fetch(t.Context(), addr, time.Second, get("/"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := io.ReadAll(r.Body)
		if (err == nil) != c.whole {
			t.Errorf("%s: read %q, %v", name, body, err)
		}
		r.Body.Close()
	}
}

// net/http answers what it can not parse by itself: without a length, and without a seal.
func TestFetch_ErrorsOfTheServerItself(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	r, err := client(t).Fetch(t.Context(), strings.TrimPrefix(server.URL, "http://"), time.Second, get("/%zz"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); r.Status != http.StatusBadRequest || string(body) != "400 Bad Request" || err != nil {
		t.Errorf("%d %q %v", r.Status, body, err)
	}
}

// RFC 9110, 7.8: nobody asked for it, so what follows can not be passed on.
func TestFetch_SwitchingProtocolsIsAnError(t *testing.T) {
	addr := testkit.Raw(t, func(c net.Conn, _ *http.Request) {
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nx")
	})
	c := client(t)
	if r, err := c.Fetch(t.Context(), addr, time.Second, get("/")); err == nil || errors.Is(err, proxy.ErrUnreachable) {
		t.Errorf("%+v, %v", r, err)
	}
	if n := c.host(hostKey{addr: addr, limit: forTier(time.Second)}).ConnsCount(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}

func TestFetch_HeadAndEmptyReplies(t *testing.T) {
	for status, raw := range map[int]string{
		200: "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
		304: "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
		204: "HTTP/1.1 204 No Content\r\n\r\n",
	} {
		addr := testkit.Raw(t, func(conn net.Conn, _ *http.Request) { fmt.Fprint(conn, raw) })
		request := get("/")
		request.Method = "HEAD"
		r, err := client(t).Fetch(t.Context(), addr, time.Second, request)
		if err != nil {
			t.Fatalf("%d: %v", status, err)
		}
		if body, err := io.ReadAll(r.Body); r.Status != status || len(body) != 0 || err != nil {
			t.Errorf("%d: got %d, %q, %v", status, r.Status, body, err)
		}
		r.Body.Close()
	}
}

func TestFetch_NobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := client(t).Fetch(t.Context(), l.Addr().String(), time.Second, get("/")); !errors.Is(err, proxy.ErrUnreachable) {
		t.Fatalf("%v, want ErrUnreachable", err)
	}
}

func TestFetch_DeadlineCutsAHangingBody(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	addr := testkit.Raw(t, func(c net.Conn, _ *http.Request) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		<-hold
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // for the head to come
	defer cancel()
	r, err := client(t).Fetch(ctx, addr, 30*time.Second, get("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); err == nil {
		t.Fatalf("read %q as whole", body)
	}
}

func TestFetch_AgainstOurOwnListenerFraming(t *testing.T) {
	// fasthttp's server writes a trailer that its client hands back: the seal works end to end.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		if err := ctx.Response.Header.SetTrailer(proxy.SealField); err != nil {
			t.Error(err)
		}
		ctx.SetBodyStream(io.MultiReader(strings.NewReader("some"), sealing{ctx}), -1)
	}}
	go server.Serve(l)
	defer server.Shutdown()
	c := client(t)
	for range 3 {
		r, err := c.Fetch(t.Context(), l.Addr().String(), time.Second, get("/"))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(r.Body); string(body) != "some" || err != nil {
			t.Fatalf("%q, %v", body, err)
		}
		r.Body.Close()
	}
	if n := server.GetOpenConnectionsCount(); n != 1 {
		t.Errorf("%d connections, want 1: bodies read to their end give theirs back", n)
	}
}

// sealing sets the trailer at the end of a body.
type sealing struct{ ctx *fasthttp.RequestCtx }

func (s sealing) Read([]byte) (int, error) {
	s.ctx.Response.Header.Set(proxy.SealField, "4")
	return 0, io.EOF
}

func TestParseURL(t *testing.T) {
	for node, want := range map[string]string{
		"http://127.0.0.1:7090": "127.0.0.1:7090", "http://a.example/": "a.example:80", "http://[::1]:1": "[::1]:1",
		"https://a": "", "a:1": "", "http://a/path": "", "http://u@a": "", "": "",
	} {
		got, err := ParseURL(node)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseURL(%q) = %q, %v", node, got, err)
		}
	}
}

func TestFetch_AnEarlyRefusalOfALongBodyIsTheReply(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMethodNotAllowed) // without reading the body
	}))
	defer server.Close()
	for range 5 {
		r := get("/")
		r.Method, r.Body, r.Length = "POST", bytes.NewReader(make([]byte, 10<<20)), 10<<20
		response, err := client(t).Fetch(t.Context(), strings.TrimPrefix(server.URL, "http://"), 5*time.Second, r)
		if err != nil {
			t.Fatal(err)
		}
		if response.Status != http.StatusMethodNotAllowed || !response.FromTier {
			t.Errorf("%+v", response)
		}
		response.Body.Close()
	}
}

func TestFetch_NothingIsInvented(t *testing.T) {
	addr := testkit.Raw(t, func(c net.Conn, _ *http.Request) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") })
	r, err := client(t).Fetch(t.Context(), addr, time.Second, get("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	for name, value := range r.Header.All() {
		if name != "Content-Length" {
			t.Errorf("the node never sent %s: %s", name, value)
		}
	}
}
