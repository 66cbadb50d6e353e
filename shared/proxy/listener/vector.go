package listener

import (
	"io"
	"net"
)

// vector sends a reply's head and its body in memory by one system call. fasthttp does that by itself only on a
// bare TCP connection.
type vector struct {
	body  []byte // goes out behind the next write; nil: nothing does
	size  int64  // of the newest body
	parts [2][]byte
	rest  net.Buffers
}

// write writes b and the body behind it, and returns how much of b was written.
func (v *vector) write(to net.Conn, b []byte) (int, error) {
	v.parts[0], v.parts[1] = b, v.body
	v.body, v.rest = nil, v.parts[:]
	n, err := v.rest.WriteTo(to)
	v.parts, v.rest = [2][]byte{}, nil
	return int(min(n, int64(len(b)))), err
}

// behind is the stream of a body that goes out by the vector, when fasthttp flushes the head.
type behind struct{ *vector }

// WriteTo implements io.WriterTo. It is called behind the flush of the head; had that failed, it would not be.
func (b behind) WriteTo(io.Writer) (int64, error) { return b.size, nil }

// Read implements io.Reader for fasthttp, which calls WriteTo.
func (b behind) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if c.vector.body == nil {
		return c.Conn.Write(b)
	}
	return c.vector.write(c.Conn, b)
}
