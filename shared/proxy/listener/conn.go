package listener

import (
	"errors"
	"io"
	"net"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

const (
	// heldPart is how much of what is held back is scanned at once: a request, mostly.
	heldPart = 4 << 10
	// endOfTrailers ends a trailer section without fields.
	endOfTrailers = "\r\n"
	// neitherLength is fasthttp's ContentLength of a request without the fields that say it.
	neitherLength = -2
)

// conn is a client's connection. It scans what comes before fasthttp sees it and hands over one request at a
// time: what came behind that is held back until fasthttp asks for more, which it does only when it has taken the
// whole request. So there is one opinion about where requests end, and a request that the framer refuses is
// never seen whole.
//
// One goroutine at a time reads.
type conn struct {
	net.Conn
	framer  framer
	end     string   // of a trailer section; goes out next
	held    []byte   // came behind a request; not scanned
	refused *refusal // no more requests; sticky
	fresh   bool     // fasthttp has not seen a byte of the next request
	failed  bool     // it was given a byte to fail by
	vector  vector   // of the reply that is written
	// unread says that the client has sent, or may send, what nobody will read. Close looks at it, maybe while
	// another goroutine reads.
	unread atomic.Bool
	// last says that nothing is read behind the reply's end: it began while the client was sending. Unlike unread it
	// stays when what the client has sent is read meanwhile.
	last atomic.Bool
}

func newConn(c net.Conn, l limits) *conn {
	return &conn{Conn: c, framer: framer{limits: l}, fresh: true}
}

// scanned makes each connection a conn. Package net has turned TCP's keep-alive probes on.
type scanned struct {
	net.Listener
	limits limits
}

func (l scanned) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(c, l.limits), nil
}

// connOf is the conn that the listener made, under what fasthttp hands out of it.
func connOf(c net.Conn) *conn {
	if hijacked, ok := c.(interface{ UnsafeConn() net.Conn }); ok {
		c = hijacked.UnsafeConn()
	}
	return c.(*conn)
}

// Read implements io.Reader. Its error is a *refusal behind what was read of a request that is refused.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for c.refused == nil {
		passed := 0
		if len(c.end) == 0 {
			n, err := c.receive(p)
			if n == 0 {
				return c.fail(p, err)
			}
			var taken int
			passed, taken = c.admit(p[:n])
			c.hold(p[taken:n], taken)
		}
		ending := copy(p[passed:], c.end)
		c.end = c.end[ending:]
		if passed += ending; passed > 0 {
			c.fresh = c.framer.at == atStart && len(c.end) == 0
			return passed, nil
		}
	}
	return c.fail(p, c.refused)
}

// fail ends what is read of a request, so that fasthttp takes it for broken. In two places it would not: it closes a
// connection in silence that breaks before a request's first byte, and takes a body for whole that breaks behind its
// last chunk. There it gets a byte that belongs to nothing.
func (c *conn) fail(p []byte, err error) (int, error) {
	if errors.Is(err, io.EOF) {
		if c.fresh {
			return 0, err
		}
		err = io.ErrUnexpectedEOF
	}
	if !c.failed && (c.fresh && c.refused != nil || c.framer.inTrailers()) {
		c.failed, c.fresh = true, false
		p[0] = '!'
		return 1, nil
	}
	return 0, err
}

// receive copies what is held back, else it waits for what comes.
func (c *conn) receive(p []byte) (int, error) {
	if len(c.held) > 0 {
		return copy(p, c.held[:min(len(c.held), heldPart)]), nil
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		err = nil // the next Read returns it again
	}
	return n, err
}

// admit scans b up to the end of the request. It leaves in front of b what fasthttp is to read of the taken bytes.
func (c *conn) admit(b []byte) (passed, taken int) {
	for taken < len(b) {
		inEnd := c.framer.at == atEnd
		n, drop, why := c.framer.step(b[taken:])
		if !drop {
			if passed < taken {
				copy(b[passed:], b[taken:taken+n])
			}
			passed += n
		}
		taken += n
		if why != nil {
			c.refuse(why)
			return passed, len(b)
		}
		if inEnd {
			c.end = endOfTrailers
		}
		if c.framer.at == atStart && (inEnd || !drop) {
			return passed, taken
		}
	}
	return passed, taken
}

// hold keeps what was received behind the taken bytes.
func (c *conn) hold(rest []byte, taken int) {
	switch {
	case c.refused != nil:
		c.held = nil
	case len(c.held) > taken:
		c.held = c.held[taken:]
	case len(c.held) > 0:
		c.held = nil
		c.unread.Store(false)
	case len(rest) > 0:
		c.held = append([]byte(nil), rest...)
		c.unread.Store(true)
	}
}

// refuse ends the connection's requests.
func (c *conn) refuse(why *refusal) {
	c.refused = why
	c.unread.Store(true)
}

// disagrees reports whether fasthttp has read another request than the one that was handed to it. Nothing is known
// that makes it do so.
func (c *conn) disagrees(ctx *fasthttp.RequestCtx) bool {
	length := int64(ctx.Request.Header.ContentLength())
	if length == neitherLength {
		length = 0
	}
	return c.framer.requests != ctx.ConnRequestNum() || c.framer.length != length
}

// Close implements net.Conn. Where the client may still be sending, it lingers, so that the reply is not lost.
func (c *conn) Close() error {
	if unread, last := c.unread.Swap(false), c.last.Swap(false); unread || last {
		c.linger()
	}
	return c.Conn.Close()
}
