package listener

import (
	"context"
	"io"
	"net"
	"sync"

	"github.com/valyala/fasthttp"
)

// ending is a reply that ends with its connection: an HTTP/1.0 client reads no chunks, so nothing else could
// tell it where a body of unknown length ends (RFC 9112, 6.1). fasthttp frames every reply, so it hands the
// connection over before the reply.
type ending struct {
	head []byte
	body io.ReadCloser
}

// send writes the reply. The caller closes the connection.
//
// INVARIANT: until the body was sent whole, whatever ends the connection resets it, the end of this process
// included. A client takes any other end for that of the body.
func (e *ending) send(c net.Conn) {
	conn := connOf(c)
	conn.unread.Store(false) // Close would end the connection in the way that a client takes for the body's end
	tcp, _ := conn.Conn.(*net.TCPConn)
	if tcp != nil && tcp.SetLinger(0) != nil {
		_ = e.body.Close() // the connection is gone
		return
	}
	err := e.write(&patient{w: conn, conn: conn})
	_ = e.body.Close() // its end was seen, or the reply is cut anyway
	if err != nil || tcp != nil && tcp.SetLinger(-1) != nil {
		return
	}
	conn.linger()
}

func (e *ending) write(to io.Writer) error {
	if _, err := to.Write(e.head); err != nil {
		return err
	}
	_, err := io.Copy(to, e.body)
	return err
}

// endings are a listener's replies that end with their connections, from Reply until they are written.
type endings struct {
	open sync.WaitGroup

	mu struct {
		sync.Mutex
		due map[net.Conn]*ending // not handed over yet
	}
}

// add puts a reply on the connection of the request that is being served.
func (s *endings) add(ctx *fasthttp.RequestCtx, e *ending) {
	conn := ctx.Conn()
	s.open.Add(1)
	s.mu.Lock()
	if s.mu.due == nil {
		s.mu.due = map[net.Conn]*ending{}
	}
	s.mu.due[conn] = e
	s.mu.Unlock()
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(hijacked net.Conn) {
		if e := s.take(conn); e != nil {
			defer s.open.Done()
			e.send(hijacked)
		}
	})
}

func (s *endings) take(conn net.Conn) *ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.mu.due[conn]
	delete(s.mu.due, conn)
	return e
}

// watch is fasthttp's ConnState: a connection that breaks between Reply and the hand-over is never handed over.
// What the body holds is released here.
func (s *endings) watch(conn net.Conn, state fasthttp.ConnState) {
	if state != fasthttp.StateClosed {
		return
	}
	if e := s.take(conn); e != nil {
		_ = e.body.Close() // nothing of it was sent
		s.open.Done()
	}
}

// wait returns when all are written, or with the context.
func (s *endings) wait(ctx context.Context) {
	done := make(chan struct{}) // closed when all are written
	go func() {
		defer close(done)
		s.open.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
