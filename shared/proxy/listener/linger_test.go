package listener

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"tiercache/shared/proxy"
)

// A client that sends on after its reply must still be able to read that: the connection is not reset.
func TestListener_ReplyOutlivesAnUnreadBody(t *testing.T) {
	addr := serve(t, func(_ context.Context, x proxy.Exchange) {
		x.Reply(413, nil, proxy.Payload{Bytes: []byte("too large")})
	})
	for name, framing := range map[string]string{
		"length": "Content-Length: 8000000\r\n\r\n",
		"chunks": "Transfer-Encoding: chunked\r\n\r\n7a1200\r\n",
	} {
		conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\n"+framing); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(make([]byte, 8_000_000)); err != nil {
			t.Errorf("%s: the body could not be sent: %v", name, err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if body, err := io.ReadAll(response.Body); response.StatusCode != 413 || !response.Close || string(body) != "too large" || err != nil {
			t.Errorf("%s: %d, closed %t, %q %v", name, response.StatusCode, response.Close, body, err)
		}
	}
}

// The connection ends behind a reply that began while much of the body was unread, also where the rest was read
// meanwhile. A client that is not told would send its next request there (RFC 9112, 9.6).
func TestListener_ReplyThatBeginsBeforeTheBodyWasReadSaysThatItIsTheLast(t *testing.T) {
	addr := serve(t, func(_ context.Context, x proxy.Exchange) {
		body, length := x.Body()
		x.Reply(200, nil, proxy.Payload{Stream: io.NopCloser(body), Length: length})
	})
	sent := bytes.Repeat([]byte("0123456789"), 300_000)
	for name, body := range map[string]io.Reader{"length": bytes.NewReader(sent), "chunks": io.MultiReader(bytes.NewReader(sent))} {
		for range 3 {
			response, err := http.Post("http://"+addr, "text/plain", body)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := io.ReadAll(response.Body)
			response.Body.Close()
			if !response.Close || !bytes.Equal(got, sent) || err != nil {
				t.Errorf("%s: the last: %t; %d bytes came back, want %d: %v", name, response.Close, len(got), len(sent), err)
			}
			body = io.MultiReader(bytes.NewReader(sent))
		}
	}
}
