package simulation

import (
	"context"
	"slices"
	"sync"
	"time"

	"tiercache/shared/bus"
)

// broker is the double of the message bus: a server that may be down, and that loses, repeats and reorders what it
// carries as often as loss, repeats and reorders say, in percent.
type broker struct {
	net    *network
	server *endpoint

	mu                      sync.Mutex
	down                    bool
	loss, repeats, reorders int
	followers               []*followed
	renewers                []*served
	fetchers                []*served
	turn                    int // of the fetchers
	mail                    post
}

// followed is one that follows the log. Messages wait in queue; what finds it full is lost.
type followed struct {
	ep    *endpoint
	queue chan []byte
}

// served is a control node that answers requests.
type served struct {
	ep     *endpoint
	handle func(tier, node string, payload []byte, reply func([]byte))
	queue  chan func() // requests are taken in turn
}

const busQueue = 64

func newBroker(net *network) *broker {
	return &broker{net: net, server: newEndpoint("nats", "r1")}
}

func (x *broker) setDown(down bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.down = down
}

// setTrouble sets how often messages are lost, repeated and reordered, in percent.
func (x *broker) setTrouble(loss, repeats, reorders int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.loss, x.repeats, x.reorders = loss, repeats, reorders
}

// conn is the connection of one process.
type conn struct {
	x  *broker
	ep *endpoint
}

func (x *broker) connect(ep *endpoint) *conn { return &conn{x, ep} }

// Connected reports whether the server can be talked to.
func (c *conn) Connected() bool {
	c.x.mu.Lock()
	down := c.x.down
	c.x.mu.Unlock()
	return !down && !c.ep.ended() && c.x.net.connects(c.ep, c.x.server)
}

// post carries a message over the server to a process, with its loss, delay and repeats. arrive is called each time
// that it arrives, and does not wait.
func (c *conn) post(to *endpoint, arrive func()) {
	x := c.x
	if !c.Connected() {
		return
	}
	draw := x.net.mailOf(c.ep, to)
	x.mu.Lock()
	lost, again, late := draw.in(x.loss), draw.in(x.repeats), draw.in(x.reorders)
	x.mu.Unlock()
	if lost {
		return
	}
	d := x.net.delay(c.ep, x.server) + x.net.delay(x.server, to)
	if late {
		d += draw.between(0, 400*time.Millisecond)
	}
	land := func() {
		x.mu.Lock()
		down := x.down
		x.mu.Unlock()
		if !down && !to.ended() && x.net.carries(x.server, to) {
			arrive()
		}
	}
	x.mail.add(d, land)
	if again {
		x.mail.add(d+draw.between(0, 300*time.Millisecond), land)
	}
}

// PublishLog sends entries to all that follow. Errors: bus.ErrDisconnected.
func (c *conn) PublishLog(entries []byte) error {
	if !c.Connected() {
		return bus.ErrDisconnected
	}
	c.x.mu.Lock()
	followers := slices.Clone(c.x.followers)
	c.x.mu.Unlock()
	entries = slices.Clone(entries)
	for _, f := range followers {
		c.post(f.ep, func() {
			select {
			case f.queue <- slices.Clone(entries):
			default: // a slow consumer
			}
		})
	}
	return nil
}

// SubscribeLog calls handle with each message, one at a time.
func (c *conn) SubscribeLog(handle func(entries []byte)) (stop func(), err error) {
	f := &followed{c.ep, make(chan []byte, busQueue)}
	c.x.mu.Lock()
	c.x.followers = append(c.x.followers, f)
	c.x.mu.Unlock()
	ended := inTurn(f.queue, handle)
	return func() {
		ended()
		c.x.mu.Lock()
		defer c.x.mu.Unlock()
		c.x.followers = slices.DeleteFunc(c.x.followers, func(other *followed) bool { return other == f })
	}, nil
}

// inTurn calls take with what comes, one at a time, and with nothing once stop was called.
func inTurn[T any](queue <-chan T, take func(T)) (stop func()) {
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case m := <-queue:
				select {
				case <-ended:
					return
				default:
					take(m)
				}
			case <-ended:
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(ended) })
}

// ask sends a request to processes and waits for the first good answer, as bus.Bus does.
func (c *conn) ask(ctx context.Context, to []*served, tier, node string, payload []byte, good func([]byte) bool) ([]byte, error) {
	switch {
	case !c.Connected():
		return nil, bus.ErrDisconnected
	case len(to) == 0:
		return nil, bus.ErrNobody
	}
	answers, payload := make(chan []byte, 8), slices.Clone(payload)
	for _, s := range to {
		reply := func(answer []byte) {
			answer = slices.Clone(answer)
			c.x.connect(s.ep).post(c.ep, func() {
				select {
				case answers <- answer:
				default:
				}
			})
		}
		c.post(s.ep, func() {
			select {
			case s.queue <- func() { s.handle(tier, node, slices.Clone(payload), reply) }:
			default:
			}
		})
	}
	var last []byte
	for {
		select {
		case answer := <-answers:
			if good(answer) {
				return answer, nil
			}
			last = answer
		case <-ctx.Done():
			if last != nil {
				return last, nil
			}
			return nil, context.Cause(ctx)
		}
	}
}

// Renew asks all control nodes.
func (c *conn) Renew(ctx context.Context, tier, node string, payload []byte, good func(answer []byte) bool) ([]byte, error) {
	c.x.mu.Lock()
	to := slices.Clone(c.x.renewers)
	c.x.mu.Unlock()
	return c.ask(ctx, to, tier, node, payload, good)
}

// Report tells all control nodes something that wants no answer.
func (c *conn) Report(tier, node string, payload []byte) error {
	if !c.Connected() {
		return bus.ErrDisconnected
	}
	c.x.mu.Lock()
	to := slices.Clone(c.x.renewers)
	c.x.mu.Unlock()
	for _, s := range to {
		c.post(s.ep, func() {
			select {
			case s.queue <- func() { s.handle(tier, node, slices.Clone(payload), func([]byte) {}) }:
			default:
			}
		})
	}
	return nil
}

// Fetch asks one control node.
func (c *conn) Fetch(ctx context.Context, tier string, payload []byte) ([]byte, error) {
	c.x.mu.Lock()
	var to []*served
	if n := len(c.x.fetchers); n > 0 {
		c.x.turn++
		to = []*served{c.x.fetchers[c.x.turn%n]}
	}
	c.x.mu.Unlock()
	return c.ask(ctx, to, tier, "", payload, func([]byte) bool { return true })
}

// ServeRenew calls handle for each request in turn.
func (c *conn) ServeRenew(handle func(tier, node string, payload []byte, reply func([]byte))) (stop func(), err error) {
	return c.serve(&c.x.renewers, handle)
}

// ServeFetch is ServeRenew for requests that one of all is to answer.
func (c *conn) ServeFetch(handle func(tier string, payload []byte, reply func([]byte))) (stop func(), err error) {
	return c.serve(&c.x.fetchers, func(tier, _ string, payload []byte, reply func([]byte)) { handle(tier, payload, reply) })
}

func (c *conn) serve(list *[]*served, handle func(tier, node string, payload []byte, reply func([]byte))) (stop func(), err error) {
	s := &served{c.ep, handle, make(chan func(), busQueue)}
	c.x.mu.Lock()
	*list = append(*list, s)
	c.x.mu.Unlock()
	ended := inTurn(s.queue, func(take func()) { take() })
	return func() {
		ended()
		c.x.mu.Lock()
		defer c.x.mu.Unlock()
		*list = slices.DeleteFunc(*list, func(other *served) bool { return other == s })
	}, nil
}
