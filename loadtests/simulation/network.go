package simulation

import (
	"context"
	"errors"
	"sync"
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
	once   sync.Once
}

func newEndpoint(name, region string) *endpoint {
	return &endpoint{name: name, region: region, gone: make(chan struct{})}
}

func (e *endpoint) end() { e.once.Do(func() { close(e.gone) }) }

func (e *endpoint) ended() bool {
	select {
	case <-e.gone:
		return true
	default:
		return false
	}
}

// link is a direction between two nodes.
type link struct{ from, to string }

// network is what lies between processes. A hop takes a drawn time; a cut link holds it up until it is whole again, as
// a connection does that repeats what was lost.
type network struct {
	mu     sync.Mutex
	seed   uint64
	draws  map[link]*chance
	cut    map[link]int // how many faults cut it
	slow   map[link]time.Duration
	paused map[string]int
	change chan struct{} // closed when cut or paused have changed
}

func newNetwork(seed uint64) *network {
	return &network{seed: seed, draws: map[link]*chance{}, cut: map[link]int{}, slow: map[link]time.Duration{}, paused: map[string]int{}, change: make(chan struct{})}
}

// draw is the chance of a link.
func (n *network) draw(l link) *chance {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.draws[l]
	if c == nil {
		c = newChance(n.seed, l.from+">"+l.to)
		n.draws[l] = c
	}
	return c
}

// delay is how long a message is under way: mostly a fraction of a millisecond in a region and tens of them between
// two, now and then much longer.
func (n *network) delay(from, to *endpoint) time.Duration {
	l := link{from.name, to.name}
	c := n.draw(l)
	d := c.between(50*time.Microsecond, time.Millisecond)
	if from.region != to.region {
		d += c.between(5*time.Millisecond, 40*time.Millisecond)
	}
	if c.in(2) {
		d += c.between(0, 300*time.Millisecond)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return d + n.slow[l]
}

// blocked is nil, or closed when it is worth to look again whether the link carries something.
func (n *network) blocked(from, to *endpoint) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut[link{from.name, to.name}] > 0 || n.paused[from.name] > 0 || n.paused[to.name] > 0 {
		return n.change
	}
	return nil
}

// carries reports whether the link carries something now.
func (n *network) carries(from, to *endpoint) bool { return n.blocked(from, to) == nil }

// hop carries something from one process to the other. Errors: errDead, errRefused when there is nobody, ctx's.
func (n *network) hop(ctx context.Context, from, to *endpoint) error {
	if from.ended() {
		return errDead
	}
	if err := sleep(ctx, n.delay(from, to)); err != nil {
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
		select {
		case <-blocked:
		case <-from.gone:
		case <-to.gone:
		case <-ctx.Done():
			return context.Cause(ctx)
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
			n.cut[l] += by
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
		n.paused[name] += by
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
			n.slow[l] = d
		}
	}
	set(by)
	return func() { set(0) }
}

// sleep returns after d, with an error when ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
