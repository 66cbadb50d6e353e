package bus

import (
	"context"
	"time"
)

const (
	// watchInterval is how often the server is asked whether it still answers. The library asks too, and gives the
	// connection up when it has heard nothing for 10 to 15 seconds.
	watchInterval = time.Second

	// watchPatience is how long the server may take to answer before it counts as hanging.
	watchPatience = time.Second
)

// link is what is known of the connection.
type link struct {
	server  string // its URL without credentials; empty: there is no connection
	hanging bool   // the server does not answer, and may do so again
}

// watch asks the server whether it is there, until Close. While one that is connected says nothing, Connected is
// false: those who send use another way at once, where they have one, and lose nothing that they could have kept.
func (b *Bus) watch() {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.look()
		case <-b.done:
			return
		}
	}
}

// look asks once and returns with the answer, or when the connection is lost.
func (b *Bus) look() {
	if !b.isLinked() {
		return
	}
	answered := make(chan error, 1)
	go func() { answered <- b.ping() }() // the library may wait for a lock
	late := time.NewTimer(watchPatience)
	defer late.Stop()
	for {
		select {
		case err := <-answered:
			if err == nil {
				b.answers()
			}
			return
		case <-late.C:
			b.hangs()
		case <-b.done:
			return
		}
	}
}

// ping waits for the server to read what it was sent, for as long as the library lets a connection live without that.
func (b *Bus) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), (maxPings+1)*pingInterval)
	defer cancel()
	return b.conn.FlushWithContext(ctx)
}

func (b *Bus) isLinked() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.link.server != ""
}

// join notes a new connection, and part that it is lost.
func (b *Bus) join(server string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.link = link{server: server}
	b.up.Store(true)
	b.health.OK("connected to " + server)
}

func (b *Bus) part(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.link = link{}
	b.up.Store(false)
	b.health.Fail(reason)
}

// hangs notes that the server is silent, and answers that it is there.
func (b *Bus) hangs() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.link.server == "" || b.mu.link.hanging {
		return
	}
	b.mu.link.hanging = true
	b.up.Store(false)
	b.health.Fail("connected to " + b.mu.link.server + ", which does not answer")
	b.log.Warn("NATS does not answer", "url", b.mu.link.server)
}

func (b *Bus) answers() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.mu.link.hanging {
		return
	}
	b.mu.link.hanging = false
	b.up.Store(true)
	b.health.OK("connected to " + b.mu.link.server)
	b.log.Info("NATS answers again", "url", b.mu.link.server)
}
