package simulation

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of hops.
var (
	errRefused = errors.New("connection refused")
	errDead    = errors.New("this process has ended")
)

// endpoint is one process on the network. The next process of a node has another one.
type endpoint struct {
	name   string
	region string
	gone   chan struct{} // closed when the process has ended
	over   atomic.Bool   // likewise
	place  atomic.Int32  // the network's number of the node, and 1; 0: it has none yet
}

func newEndpoint(name, region string) *endpoint {
	return &endpoint{name: name, region: region, gone: make(chan struct{})}
}

func (e *endpoint) end() {
	if e.over.CompareAndSwap(false, true) {
		close(e.gone)
	}
}

func (e *endpoint) ended() bool { return e.over.Load() }

// link is a direction between two nodes.
type link struct{ from, to string }

// network is what lies between processes. A hop takes a drawn time; a cut link holds it up until it is whole again, as
// a connection does that repeats what was lost.
type network struct {
	mu     sync.Mutex
	seed   uint64
	places map[string]int
	ways   [][]*way      // by the places of both ends
	paused []int         // how many faults pause a node, by place
	change chan struct{} // closed when cut or paused have changed
}

// way is a link as the network has it.
type way struct {
	draw *chance // of what goes there
	mail *chance // of messages of the bus
	cut  int     // how many faults cut it
	slow time.Duration
}

func newNetwork(seed uint64) *network {
	return &network{seed: seed, places: map[string]int{}, change: make(chan struct{})}
}

// place is the number of a node. n.mu is held.
func (n *network) place(name string) int {
	at, ok := n.places[name]
	if !ok {
		at = len(n.places)
		n.places[name] = at
		n.ways, n.paused = append(n.ways, nil), append(n.paused, 0)
	}
	return at
}

// placeOf is the place of an endpoint. n.mu is held.
func (n *network) placeOf(e *endpoint) int {
	if at := e.place.Load(); at > 0 {
		return int(at) - 1
	}
	at := n.place(e.name)
	e.place.Store(int32(at + 1))
	return at
}

// way is the link between two places. n.mu is held.
func (n *network) way(from, to int, l func() link) *way {
	if to >= len(n.ways[from]) {
		n.ways[from] = append(n.ways[from], make([]*way, len(n.places)-len(n.ways[from]))...)
	}
	w := n.ways[from][to]
	if w == nil {
		at := l()
		w = &way{draw: newChance(n.seed, at.from+">"+at.to), mail: newChance(n.seed, at.from+">nats>"+at.to)}
		n.ways[from][to] = w
	}
	return w
}

func (n *network) wayOf(from, to *endpoint) *way {
	return n.way(n.placeOf(from), n.placeOf(to), func() link { return link{from.name, to.name} })
}

func (n *network) wayAt(l link) *way {
	return n.way(n.place(l.from), n.place(l.to), func() link { return l })
}

// draw is the chance of a link.
func (n *network) draw(l link) *chance {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wayAt(l).draw
}

// mailOf is the chance of messages of the bus between two.
func (n *network) mailOf(from, to *endpoint) *chance {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wayOf(from, to).mail
}

// delay is how long a message is under way: mostly a fraction of a millisecond in a region and tens of them between
// two, now and then much longer.
func (n *network) delay(from, to *endpoint) time.Duration {
	n.mu.Lock()
	w := n.wayOf(from, to)
	c, slow := w.draw, w.slow
	n.mu.Unlock()
	d := c.between(50*time.Microsecond, time.Millisecond)
	if from.region != to.region {
		d += c.between(5*time.Millisecond, 40*time.Millisecond)
	}
	if c.in(2) {
		d += c.between(0, 300*time.Millisecond)
	}
	return d + slow
}

// blocked is nil, or closed when it is worth to look again whether the link carries something.
func (n *network) blocked(from, to *endpoint) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.isBlocked(from, to) {
		return n.change
	}
	return nil
}

// isBlocked is blocked for who holds n.mu.
func (n *network) isBlocked(from, to *endpoint) bool {
	a, b := n.placeOf(from), n.placeOf(to)
	return n.paused[a] > 0 || n.paused[b] > 0 || n.wayOf(from, to).cut > 0
}

// carries reports whether the link carries something now.
func (n *network) carries(from, to *endpoint) bool { return n.blocked(from, to) == nil }

// connects reports whether links in both directions do.
func (n *network) connects(a, b *endpoint) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.isBlocked(a, b) && !n.isBlocked(b, a)
}

// hop carries something from one process to the other. Errors: errDead, errRefused when there is nobody, ctx's.
func (n *network) hop(ctx context.Context, from, to *endpoint) error {
	return n.carry(&limit{ctx: ctx}, from, to)
}

// carry is hop for who waits until a limit. Errors: also those of the limit.
func (n *network) carry(limit *limit, from, to *endpoint) error {
	if from.ended() {
		return errDead
	}
	if err := limit.sleep(n.delay(from, to)); err != nil {
		return err
	}
	for {
		switch {
		case from.ended():
			return errDead
		case to.ended():
			return errRefused
		}
		blocked := n.blocked(from, to)
		if blocked == nil {
			return nil
		}
		if err := limit.await(blocked, from, to); err != nil {
			return err
		}
	}
}

// changed wakes those that wait for a link.
func (n *network) changed() {
	close(n.change)
	n.change = make(chan struct{})
}

// cutLinks cuts links and returns what makes them whole again.
func (n *network) cutLinks(links ...link) (heal func()) {
	add := func(by int) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, l := range links {
			n.wayAt(l).cut += by
		}
		n.changed()
	}
	add(1)
	return func() { add(-1) }
}

// pause stops a node from hearing and saying anything.
func (n *network) pause(name string) (resume func()) {
	add := func(by int) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.paused[n.place(name)] += by
		n.changed()
	}
	add(1)
	return func() { add(-1) }
}

// slowDown makes links slow.
func (n *network) slowDown(by time.Duration, links ...link) (heal func()) {
	set := func(d time.Duration) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, l := range links {
			n.wayAt(l).slow = d
		}
	}
	set(by)
	return func() { set(0) }
}
