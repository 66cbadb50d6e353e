package simulation

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// relay passes bytes on to a server and back. To who asks it is the server's process.
type relay struct {
	listener net.Listener
	server   string
	hang     atomic.Bool // it takes bytes and passes none on
	busy     sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	ended bool
}

func newRelay(t *testing.T, server string) *relay {
	t.Helper()
	r := &relay{listener: must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0")), server: server}
	r.busy.Go(r.accept)
	t.Cleanup(r.busy.Wait)
	t.Cleanup(r.end)
	return r
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.server)
		if err != nil {
			_ = client.Close() // as of a server that is not there
			continue
		}
		if r.keep(client, server) {
			r.busy.Go(func() { r.pass(client, server) })
			r.busy.Go(func() { r.pass(server, client) })
		}
	}
}

// keep notes connections that end with the relay; false when it has ended.
func (r *relay) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, conns...)
	if r.ended {
		r.closeAll()
	}
	return !r.ended
}

// pass passes on what comes from one side, until either side ends.
func (r *relay) pass(from, to net.Conn) {
	defer func() { _, _ = from.Close(), to.Close() }() // or they are closed already
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if !r.hang.Load() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// end is the process's end.
func (r *relay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	_ = r.listener.Close() // or it is closed already
	r.closeAll()
}

func (r *relay) closeAll() {
	for _, c := range r.conns {
		_ = c.Close() // or it is closed already
	}
}
