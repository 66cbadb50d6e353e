package listener

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
)

// converse sends raw bytes, ends its half of the connection and returns the replies until the other side ends, as
// "status body", "..." for one that is cut.
func converse(t *testing.T, addr, raw string) []string {
	t.Helper()
	conn := dial(t, addr, raw)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	var replies []string
	for reader := bufio.NewReader(conn); ; {
		if _, err := reader.Peek(1); err != nil {
			if err != io.EOF {
				replies = append(replies, err.Error())
			}
			return replies
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return append(replies, err.Error())
		}
		text, err := io.ReadAll(response.Body)
		if err != nil {
			text = []byte("...")
		}
		replies = append(replies, strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", string(text))))
	}
}

// unreading replies without a look at the body.
func unreading(_ context.Context, x proxy.Exchange) {
	x.Reply(200, nil, proxy.Payload{Bytes: []byte(x.Method() + " " + x.Target())})
}

func TestConn_RequestsOfOneConnection(t *testing.T) {
	addr := serve(t, unreading)
	for name, c := range map[string]struct {
		raw  string
		want []string
	}{
		"pipelined":         {strings.Repeat(next, 200), strings.Split(strings.Repeat("200 GET /next|", 199)+"200 GET /next", "|")},
		"bad second":        {next + "GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n" + next, []string{"200 GET /next", "400 request refused: field name is not a token"}},
		"bad first byte":    {next + "\x00" + next, []string{"200 GET /next", "400 request refused: method is not a token"}},
		"cut second":        {next + "GET / HTTP/1.1\r\nHost", []string{"200 GET /next", "400 malformed request"}},
		"close":             {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + next, []string{"200 GET /"}},
		"unread body":       {head + "Content-Length: 40\r\n\r\n" + strings.Repeat("x", 40) + next, []string{"200 POST /", "200 GET /next"}},
		"unread chunks":     {head + "Transfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n0\r\nX: a\r\n\r\n" + next, []string{"200 POST /"}}, // nothing says how much there is to drain
		"unread bad chunks": {head + "Transfer-Encoding: chunked\r\n\r\n2\r\nxxx\r\n0\r\n\r\n" + next, []string{"200 POST /"}},
	} {
		if got := converse(t, addr, c.raw); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// RFC 9110, 9.3.1: the body of a GET has no meaning. It is not passed on, does not become the next request, and is
// refused before anything is answered when its framing is broken.
func TestConn_BodyThatNobodyHasAUseFor(t *testing.T) {
	addr := serve(t, echo)
	for _, method := range []string{"GET", "OPTIONS"} {
		head, ok, after := method+" / HTTP/1.1\r\nHost: h\r\n", "200 "+method+" h / 0/0", "200 GET h /next 0/0"
		for name, c := range map[string]struct {
			raw  string
			want []string
		}{
			"length":     {head + "Content-Length: 5\r\n\r\nhello" + next, []string{ok, after}},
			"chunks":     {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: a\r\n\r\n" + next, []string{ok, after}},
			"long":       {head + "Content-Length: 262144\r\n\r\n" + strings.Repeat("x", 262144) + next, []string{ok, after}},
			"bad chunk":  {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n" + next, []string{"400 request refused: data of a chunk does not end with CRLF"}},
			"cut":        {head + "Content-Length: 5\r\n\r\nhel", []string{"400 malformed request"}},
			"too long":   {head + "Content-Length: 262145\r\n\r\n" + strings.Repeat("x", 262145) + next, []string{"413 request refused: " + refusedFat.why}},
			"too chunky": {head + "Transfer-Encoding: chunked\r\n\r\n40001\r\n" + strings.Repeat("x", 0x40001) + "\r\n0\r\n\r\n" + next, []string{"413 request refused: " + refusedFat.why}},
		} {
			if got := converse(t, addr, c.raw); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s, %s: %q, want %q", method, name, got, c.want)
			}
		}
	}
}

// A body is whole when its last chunk and its trailer section are: no other end is the body's, whoever reads it. A
// client that leaves between two chunks must not have sent half of what it meant.
func TestConn_BrokenChunks(t *testing.T) {
	addr := serve(t, func(_ context.Context, x proxy.Exchange) {
		body, _ := x.Body()
		text, err := io.ReadAll(body)
		x.Reply(200, nil, proxy.Payload{Bytes: fmt.Appendf(nil, "%s %t", text, err == nil)})
	})
	const chunks = head + "Transfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n0\r\n"
	for raw, want := range map[string]string{
		chunks + "\r\n": "[200 xx true]", chunks + "X: a\r\n\r\n": "[200 xx true]",
		chunks[:len(chunks)-3]: "[200 xx false]", chunks[:len(chunks)-2]: "[200 xx false]",
		chunks: "[200 xx false]", chunks + "\r": "[200 xx false]", chunks + "\r\r\n": "[200 xx false]", chunks + "\n": "[200 xx false]",
		chunks + "X": "[200 xx false]", chunks + "X: a\r\n": "[200 xx false]", chunks + "X\r\n\r\n": "[200 xx false]", chunks + "X: a\r\n y\r\n\r\n": "[200 xx false]",
	} {
		if got := converse(t, addr, raw); fmt.Sprint(got) != want {
			t.Errorf("%q: %q, want %s", raw, got, want)
		}
	}
}

// RFC 9110, 6.5.1: a trailer field is not one of the head. A body that is drained before the head is looked at
// must not make it one.
func TestConn_TrailersAreNotFields(t *testing.T) {
	addr := serve(t, func(_ context.Context, x proxy.Exchange) {
		if body, _ := x.Body(); body != nil {
			_, _ = io.Copy(io.Discard, body)
		}
		var all httpcache.Fields
		for name, value := range x.Header().All() {
			all = append(all, httpcache.Field{Name: name, Value: value})
		}
		x.Reply(200, nil, proxy.Payload{Bytes: []byte(x.Header().Value("X-Trailer") + all.Value("X-Trailer") + x.Header().Value("X-Head"))})
	})
	for _, method := range []string{"GET", "POST"} {
		raw := method + " / HTTP/1.1\r\nHost: h\r\nX-Head: head\r\nTrailer: X-Trailer\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: trailer\r\n\r\n"
		if got := converse(t, addr, raw); fmt.Sprint(got) != "[200 head]" {
			t.Errorf("%s: %q", method, got)
		}
	}
}

// RFC 9110, 10.1.1: "100 Continue" is sent where a body follows, and nowhere else.
func TestConn_Expect(t *testing.T) {
	addr := serve(t, echo)
	for raw, want := range map[string]string{
		"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nab" + next:     "[100 200 POST h / 2/2 200 GET h /next 0/0]",
		"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n" + next:       "[200 POST h / 0/0 200 GET h /next 0/0]",
		"GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n" + next:                             "[200 GET h / 0/0 200 GET h /next 0/0]",
		"POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab":            "[200 POST h / 2/2]",
		"POST / HTTP/1.1\r\nHost: h\r\nExpect: y 100-continue\r\nContent-Length: 2\r\n\r\nab" + next:   "[417 request refused: " + refusedExpect.why + "]",
		"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: +2\r\n\r\nab" + next:    "[400 request refused: " + refusedLength.why + "]",
		"GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n\r\nab" + next:   "[417 request refused: " + refusedExpect.why + "]",
		"POST / HTTP/1.1\r\nHost: h\r\nExpect:\r\n 100-continue\r\nContent-Length: 2\r\n\r\nab" + next: "[417 request refused: " + refusedExpect.why + "]",
	} {
		if got := converse(t, addr, raw); fmt.Sprint(got) != want {
			t.Errorf("%q: %q, want %s", raw, got, want)
		}
	}
}

// Where a client could take the reply for consent to another protocol, nothing that follows is a request.
func TestConn_NoRequestsBehindAnotherProtocol(t *testing.T) {
	addr := serve(t, func(_ context.Context, x proxy.Exchange) { x.Reply(501, nil, proxy.Payload{}) })
	for _, raw := range []string{
		"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c, websocket\r\n\r\n",
	} {
		if got := converse(t, addr, raw+next); fmt.Sprint(got) != "[501]" {
			t.Errorf("%q: %q", raw, got)
		}
	}
}

// RFC 9113, 3.1: the offer of h2c is ignored, and the client goes on in HTTP/1.1.
func TestConn_OfferOfH2CIsIgnored(t *testing.T) {
	addr := serve(t, func(_ context.Context, x proxy.Exchange) { x.Reply(204, nil, proxy.Payload{}) })
	offer := "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
	if got := converse(t, addr, offer+next); fmt.Sprint(got) != "[204 204]" {
		t.Errorf("%q", got)
	}
}

// A request that fasthttp frames in another way than the framer is answered with an error, and no other follows.
func TestConn_TwoOpinionsOfARequest(t *testing.T) {
	for name, tamper := range map[string]func(*framer){
		"length": func(f *framer) { f.length++ },
		"number": func(f *framer) { f.requests++ },
	} {
		l := New(Config{}, echo, nil)
		l.base = t.Context()
		client, server := net.Pipe()
		defer client.Close()
		c := newConn(server, limitsOf(false))
		served := make(chan error, 1)
		l.server.HeaderReceived = nil
		handler := l.server.Handler
		l.server.Handler = func(ctx *fasthttp.RequestCtx) {
			tamper(&connOf(ctx.Conn()).framer)
			handler(ctx)
		}
		go func() { served <- l.server.ServeConn(c) }()
		go func() { _, _ = io.WriteString(client, next) }() // the rest of it is not read
		response, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != 400 || !response.Close {
			t.Errorf("%s: %d, closed %t", name, response.StatusCode, response.Close)
		}
		client.Close()
		<-served
	}
}

// RFC 9112, 9.6: a client that is still sending reads why it is refused.
func TestConn_RefusalOutlivesWhatTheClientSends(t *testing.T) {
	addr := serve(t, unreading)
	for name, c := range map[string]struct {
		head   string
		status int
	}{
		"huge head":    {"GET / HTTP/1.1\r\nHost: h\r\nX: ", 431},
		"huge target":  {"GET /", 414},
		"bad body":     {head + "Content-Length: +1\r\n\r\n", 400},
		"bad chunks":   {"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx", 400},
		"Upgrade":      {"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\n\r\n", 200},
		"last request": {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + next, 200}, // known to send more: some of it is there
	} {
		conn := dial(t, addr, c.head)
		if _, err := conn.Write(bytes.Repeat([]byte("a"), 4<<20)); err != nil {
			t.Errorf("%s: the rest could not be sent: %v", name, err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := io.ReadAll(response.Body); err != nil || response.StatusCode != c.status {
			t.Errorf("%s: %d, %v", name, response.StatusCode, err)
		}
	}
}

// What the client sent behind its request does not soften the end of a reply that is cut.
func TestConn_CutReplyIsResetUnderPipelinedRequests(t *testing.T) {
	addr := serve(t, unknown(io.MultiReader(strings.NewReader("some"), &broken{})))
	conn := dial(t, addr, "GET / HTTP/1.0\r\n\r\n"+next)
	if got, err := io.ReadAll(conn); err == nil {
		t.Errorf("%q was passed off as whole", got)
	}
}

// Bodies in memory that do not fit fasthttp's buffer go out with the head.
func TestConn_BodiesInMemory(t *testing.T) {
	body := make([]byte, 300_000)
	for i := range body {
		body[i] = byte(i * 7 >> 3)
	}
	addr := serve(t, func(_ context.Context, x proxy.Exchange) {
		var n int
		if _, err := fmt.Sscanf(x.Target(), "/%d", &n); err != nil {
			t.Error(err)
		}
		x.Reply(200, nil, proxy.Payload{Bytes: body[:n], Length: int64(n)})
	})
	sizes := []int{0, 1, writeBufferSize - 60, writeBufferSize - 1, writeBufferSize, writeBufferSize + 1, 100_000, 300_000}
	var raw string
	for _, n := range sizes {
		raw += fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", n)
	}
	conn := dial(t, addr, raw+"HEAD /300000 HTTP/1.1\r\nHost: h\r\n\r\n")
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	for _, n := range sizes {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(response.Body); !bytes.Equal(got, body[:n]) || err != nil {
			t.Fatalf("%d bytes, want %d: %v", len(got), n, err)
		}
	}
	response, err := http.ReadResponse(reader, &http.Request{Method: "HEAD"})
	if err != nil || response.ContentLength != 300_000 || reader.Buffered() != 0 {
		t.Errorf("HEAD: %v, %v, %d bytes behind it", response, err, reader.Buffered())
	}
}
