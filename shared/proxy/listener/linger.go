package listener

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// discarded is how much of an unread body fasthttp takes off the connection by itself, in bytes.
	discarded = 256 << 10
	// lingerTime is how long a client may go on sending after its request was answered.
	lingerTime = time.Second
)

// requestBody is a request's body and how much of it was read. It is not part of the pooled exchange: an
// upstream may still read it when the handler has returned, while the reply streams.
type requestBody struct {
	stream io.Reader
	conn   net.Conn
	read   atomic.Int64
	ended  atomic.Bool // at its end, or broken
}

// Read implements io.Reader. The client has the stall limit for each part, however long the whole takes.
func (b *requestBody) Read(p []byte) (int, error) {
	if err := b.conn.SetReadDeadline(time.Now().Add(readStall)); err != nil {
		b.ended.Store(true)
		return 0, err
	}
	n, err := b.stream.Read(p)
	b.read.Add(int64(n))
	if err != nil {
		b.ended.Store(true)
	}
	return n, err
}

// unread reports whether so much of the request's body is unread that fasthttp would close the connection.
func (x *exchange) unread() bool {
	if !x.ctx.Request.IsBodyStream() {
		return false
	}
	left := int64(x.ctx.Request.Header.ContentLength())
	if x.body != nil {
		if x.body.ended.Load() {
			return false
		}
		left -= x.body.read.Load()
	}
	return left < 0 || left > discarded
}

// linger ends a connection whose client may still be sending: it says that nothing more will come and
// takes what arrives for a moment. Closed at once, the connection would be reset, and the client could
// lose the reply that says why (RFC 9112, 9.6).
func linger(conn net.Conn) {
	if tcp := tcpOf(conn); tcp != nil && tcp.CloseWrite() != nil {
		return
	}
	if conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, conn) // ends when the client does, or with its time
	}
}

var _ fasthttp.HijackHandler = linger
