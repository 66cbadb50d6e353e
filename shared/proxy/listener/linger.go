package listener

import (
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// discarded is how much of an unread body fasthttp takes off the connection by itself, in bytes.
	discarded = 256 << 10
	// lingerTime is how long a client may go on sending after its request was answered.
	lingerTime = time.Second
)

// requestBody is a request's body and how much of it was read.
type requestBody struct {
	stream io.Reader
	read   int64
	ended  bool // at its end, or broken
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.stream.Read(p)
	b.read += int64(n)
	b.ended = b.ended || err != nil
	return n, err
}

// unread reports whether so much of the request's body is unread that fasthttp would close the connection.
func (x *exchange) unread() bool {
	if !x.ctx.Request.IsBodyStream() || x.body.ended {
		return false
	}
	length := int64(x.ctx.Request.Header.ContentLength())
	return length < 0 || length-x.body.read > discarded
}

// linger ends a connection whose client may still be sending: it says that nothing more will come and
// takes what arrives for a moment. Closed at once, the connection would be reset, and the client could
// lose the reply that says why (RFC 9112, 9.6).
func linger(conn net.Conn) {
	if hijacked, ok := conn.(interface{ UnsafeConn() net.Conn }); ok {
		if tcp, ok := hijacked.UnsafeConn().(*net.TCPConn); ok && tcp.CloseWrite() != nil {
			return
		}
	}
	if conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, conn) // ends when the client does, or with its time
	}
}

var _ fasthttp.HijackHandler = linger
