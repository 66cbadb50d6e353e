package tier

import (
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"tiercache/shared/proxy"
)

// progressConn gives the node the stall limit for each read and write, instead of one deadline for the
// whole exchange, which would cut long bodies.
type progressConn struct {
	net.Conn
	stall time.Duration
}

func (c *progressConn) Read(p []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *progressConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func dialer(stall time.Duration) fasthttp.DialFunc {
	return func(addr string) (net.Conn, error) {
		conn, err := net.DialTimeout("tcp", addr, connectTimeout)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", proxy.ErrConnect, err)
		}
		return &progressConn{Conn: conn, stall: stall}, nil
	}
}
