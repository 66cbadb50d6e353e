package tier

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"tiercache/shared/proxy"
)

// errSilent: the node was given up, since it answers nobody.
var errSilent = errors.New("the node is silent")

// patience is how long a node may take.
type patience struct {
	head  time.Duration // for the beginning of a response
	stall time.Duration // for each further part, and for each part of the request
}

// progressConn gives the node the stall limit for each read and write, instead of one deadline for the
// whole exchange, which would cut long bodies. One request at a time uses it; giveUp may come from anywhere.
type progressConn struct {
	net.Conn
	patience
	local  connAddr
	closed func() // called once by Close

	mu struct {
		sync.Mutex
		answered bool // a request before this one was answered, at least in part
		waiting  bool // nothing was received since the request was written
		givenUp  bool // while it was waiting
	}
}

func (c *progressConn) Read(p []byte) (int, error) {
	if err := c.expect(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 {
		c.mu.answered, c.mu.waiting, c.mu.givenUp = true, false, false
	}
	if err != nil && c.mu.givenUp {
		err = errSilent
	}
	return n, err
}

// expect sets the deadline of a read.
func (c *progressConn) expect() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.stall
	if c.mu.waiting {
		limit = c.head
	}
	if c.mu.givenUp {
		return errSilent
	}
	return c.Conn.SetReadDeadline(time.Now().Add(limit))
}

func (c *progressConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.mu.waiting = true
	c.mu.Unlock()
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// giveUp ends a read that waits for the beginning of a response. Under the lock, so that it ends no other.
func (c *progressConn) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.waiting {
		c.mu.givenUp = true
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0)) // fails where the connection is closed, which ends the read as well
	}
}

func (c *progressConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// keptAndClosed reports whether a request failed because its connection, kept from an earlier one, turned out closed.
func (c *progressConn) keptAndClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.answered && c.mu.waiting && !c.mu.givenUp
}

// connAddr leads from a response to its connection: the address is all that fasthttp hands out of that.
type connAddr struct {
	net.Addr
	conn *progressConn
}

func (c *progressConn) LocalAddr() net.Addr { return &c.local }

// dialer makes connections that are in open as long as they are.
func dialer(limits patience, open *conns) fasthttp.DialFunc {
	return func(addr string) (net.Conn, error) {
		conn, err := net.DialTimeout("tcp", addr, connectTimeout)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", proxy.ErrConnect, err)
		}
		c := &progressConn{Conn: conn, patience: limits}
		c.local = connAddr{Addr: conn.LocalAddr(), conn: c}
		c.closed = sync.OnceFunc(func() { open.remove(c) })
		open.add(c)
		return c, nil
	}
}

// conns are connections to one node.
type conns struct {
	mu struct {
		sync.Mutex
		open map[*progressConn]struct{}
	}
}

func (s *conns) add(c *progressConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.open == nil {
		s.mu.open = map[*progressConn]struct{}{}
	}
	s.mu.open[c] = struct{}{}
}

func (s *conns) remove(c *progressConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.open, c)
}

func (s *conns) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.mu.open {
		c.giveUp()
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
	if !ok || !used.conn.keptAndClosed() {
		return false, err
	}
	// A node that was restarted has none of the connections that are kept: the next attempt needs a new one.
	host.CloseIdleConnections()
	return true, err
}

// always leaves it to the transport whether a request is repeated.
func always(*fasthttp.Request, int, error) (resetTimeout, retry bool) { return false, true }
