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
	closed func() // called once by Close

	mu struct {
		sync.Mutex
		asked    time.Time // when the request was written
		answered bool      // something was received, also of an earlier request
		silent   bool      // nothing was received since the request was written
		waiting  bool      // for the beginning of a response, or of the final one behind interim ones
		givenUp  bool      // while it was waiting
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
		c.mu.answered, c.mu.silent, c.mu.waiting, c.mu.givenUp = true, false, false, false
	}
	if err != nil && c.mu.givenUp {
		err = errSilent
	}
	return n, err
}

// expect sets the deadline of a read. Interim responses do not put off that of the final one.
func (c *progressConn) expect() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	due := time.Now().Add(c.stall)
	if c.mu.waiting {
		due = c.mu.asked.Add(c.head)
	}
	if c.mu.givenUp {
		return errSilent
	}
	return c.Conn.SetReadDeadline(due)
}

// interim says that what was received was an interim response, and that nothing of the next one is there yet.
func (c *progressConn) interim() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.waiting = true
}

func (c *progressConn) Write(p []byte) (int, error) {
	now := time.Now()
	c.mu.Lock()
	c.mu.asked, c.mu.silent, c.mu.waiting = now, true, true
	c.mu.Unlock()
	if err := c.Conn.SetWriteDeadline(now.Add(c.stall)); err != nil {
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
	return c.mu.answered && c.mu.silent && !c.mu.givenUp
}

// dialer makes connections that are in open as long as they are.
func dialer(limits patience, open *conns) fasthttp.DialFunc {
	return func(addr string) (net.Conn, error) {
		conn, err := net.DialTimeout("tcp", addr, connectTimeout)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", proxy.ErrConnect, err)
		}
		c := &progressConn{Conn: conn, patience: limits}
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
