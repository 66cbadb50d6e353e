package tier

import (
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"tiercache/shared/proxy"
)

// progressConn gives the node the stall limit for each read and write, instead of one deadline for the
// whole exchange, which would cut long bodies. One request at a time uses it.
type progressConn struct {
	net.Conn
	stall    time.Duration
	local    connAddr
	answered bool // a request before this one was answered, at least in part
	waiting  bool // nothing was received since the request was written
}

func (c *progressConn) Read(p []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.answered, c.waiting = true, false
	}
	return n, err
}

func (c *progressConn) Write(p []byte) (int, error) {
	c.waiting = true
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// connAddr leads from a response to its connection: the address is all that fasthttp hands out of that.
type connAddr struct {
	net.Addr
	conn *progressConn
}

func (c *progressConn) LocalAddr() net.Addr { return &c.local }

func dialer(stall time.Duration) fasthttp.DialFunc {
	return func(addr string) (net.Conn, error) {
		conn, err := net.DialTimeout("tcp", addr, connectTimeout)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", proxy.ErrConnect, err)
		}
		c := &progressConn{Conn: conn, stall: stall}
		c.local = connAddr{Addr: conn.LocalAddr(), conn: c}
		return c, nil
	}
}

// transport repeats a request only when its connection turned out closed: it was kept from an earlier
// request, and ended before anything of the response came. fasthttp would also repeat one that the node is
// too slow to answer, which doubles the wait, and the load of a node that has too much of it already.
type transport struct{}

// RoundTrip implements fasthttp.RoundTripper.
func (transport) RoundTrip(host *fasthttp.HostClient, request *fasthttp.Request, response *fasthttp.Response) (retry bool, err error) {
	_, err = fasthttp.DefaultTransport.RoundTrip(host, request, response)
	if err == nil || isTimeout(err) {
		return false, err
	}
	used, ok := response.LocalAddr().(*connAddr)
	if !ok || !used.conn.answered || !used.conn.waiting {
		return false, err
	}
	// A node that was restarted has none of the connections that are kept: the next attempt needs a new one.
	host.CloseIdleConnections()
	return true, err
}

// always leaves it to the transport whether a request is repeated.
func always(*fasthttp.Request, int, error) (resetTimeout, retry bool) { return false, true }
