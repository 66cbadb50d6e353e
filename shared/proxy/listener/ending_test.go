package listener

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tiercache/shared/proxy"
)

// unknown replies with a body of unknown length.
func unknown(body io.Reader) Handler {
	return func(_ context.Context, x proxy.Exchange) {
		x.Reply(200, []byte("Content-Type: a/b\r\n"), proxy.Payload{Length: -1, Seal: true, Stream: failing{body}})
	}
}

func dial(t *testing.T, addr, request string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// RFC 9112, 6.1: an HTTP/1.0 client gets no chunks; RFC 9112, 9.6: nor "keep-alive" where the end of the
// connection ends the body.
func TestListener_UnknownLengthInHTTP10EndsWithTheConnection(t *testing.T) {
	const want = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConnection: close\r\n\r\n"
	long := strings.Repeat("some body ", 100_000)
	for name, c := range map[string]struct{ request, body string }{
		"close":      {"GET / HTTP/1.0\r\n\r\n", long},
		"keep-alive": {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", long},
		"upload":     {"POST / HTTP/1.0\r\nContent-Length: 600000\r\n\r\n" + strings.Repeat("u", 600_000), long},
		"head":       {"HEAD / HTTP/1.0\r\n\r\n", ""},
	} {
		addr := serve(t, unknown(strings.NewReader(long)))
		got, err := io.ReadAll(dial(t, addr, c.request))
		if string(got) != want+c.body || err != nil {
			t.Errorf("%s: got %d bytes that begin with %.90q, %v", name, len(got), got, err)
		}
	}
}

// A cut reply must not look like a whole one: its client can tell only by a reset.
func TestListener_CutReplyInHTTP10IsReset(t *testing.T) {
	addr := serve(t, unknown(io.MultiReader(strings.NewReader("some"), &broken{})))
	if got, err := io.ReadAll(dial(t, addr, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")); err == nil {
		t.Errorf("%q was passed off as whole", got)
	}
}

// pipes is a net.Listener whose connections the test makes.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    func()
}

func newPipes() *pipes {
	p := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accepted:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A stop waits for such a reply, although fasthttp has handed its connection over.
func TestListener_DrainsAReplyThatEndsWithItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Minute) // a goroutine of fasthttp's outlives its server by seconds
		body, more := io.Pipe()
		socket := newPipes()
		l := New(Config{DrainTimeout: 10 * time.Second}, unknown(body), slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.run(ctx, socket, func() {}) }()
		client, server := net.Pipe()
		socket.accepted <- server
		if _, err := io.WriteString(client, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() {
			all, err := io.ReadAll(client)
			got <- fmt.Sprintf("%s %v", all, err)
		}()
		if _, err := io.WriteString(more, "first "); err != nil { // taken once the reply is under way
			t.Fatal(err)
		}
		cancel()
		time.Sleep(5 * time.Second)
		select {
		case err := <-done:
			t.Fatalf("stopped under a reply: %v", err)
		default:
		}
		if _, err := io.WriteString(more, "last"); err != nil {
			t.Fatal(err)
		}
		more.Close()
		if reply := <-got; !strings.HasSuffix(reply, "\r\n\r\nfirst last <nil>") {
			t.Errorf("%q", reply)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// closing is a body that says when it was closed.
type closing struct {
	io.Reader
	closed chan struct{}
}

func (c closing) Close() error { close(c.closed); return nil }

// breaking is a connection that breaks when it is handed over.
type breaking struct{ net.Conn }

func (breaking) SetDeadline(time.Time) error { return net.ErrClosed }

// Where the connection breaks before the reply is handed over, its body is closed all the same: it may hold a
// connection to the upstream.
func TestListener_ReplyThatIsNeverHandedOverIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		body := closing{strings.NewReader("x"), make(chan struct{})}
		l := New(Config{}, func(_ context.Context, x proxy.Exchange) {
			x.Reply(200, nil, proxy.Payload{Length: -1, Stream: body})
		}, slog.New(slog.DiscardHandler))
		l.base = t.Context()
		served := make(chan error, 1)
		go func() { served <- l.server.ServeConn(newConn(breaking{server}, limitsOf(false))) }()
		if _, err := io.WriteString(client, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := <-served; err == nil {
			t.Fatal("the reply was sent")
		}
		<-body.closed
		l.ends.wait(t.Context())
	})
}
