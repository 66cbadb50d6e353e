package listener

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"tiercache/shared/httpcache"
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

// refusedFat: nobody has a use for it (RFC 9110, 9.3.1), and somebody may hope that a server in front does not
// see it.
var refusedFat = &refusal{http.StatusRequestEntityTooLarge, "body of a request that has no use for one is larger than 256 KiB"}

// drain takes the body of a request with a safe method off the connection. It is never passed on, and a hit would
// leave it there; if its framing is broken, that must be known before anything is answered.
func (x *exchange) drain() error {
	if !httpcache.ParseMethod(x.Method()).Safe() {
		return nil
	}
	body, length := x.Body()
	if body == nil {
		return nil
	}
	if length > discarded {
		return refusedFat
	}
	switch _, err := io.CopyN(io.Discard, body, discarded+1); {
	case err == nil:
		return refusedFat
	case !errors.Is(err, io.EOF):
		return err
	}
	x.empty = true
	return nil
}

// unread reports whether so much of the request's body is unread that fasthttp would close the connection, if nobody
// reads it while the reply goes out.
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
func (c *conn) linger() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok && tcp.CloseWrite() != nil {
		return
	}
	if c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, c.Conn) // ends when the client does, or with its time
	}
}
