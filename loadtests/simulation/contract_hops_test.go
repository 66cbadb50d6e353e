package simulation

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/edge/peers"
	"tiercache/shared/proxy"
	"tiercache/shared/proxy/listener"
	"tiercache/shared/proxy/tier"
	"tiercache/shared/testkit"
)

// hops is a node of the fleet and another one, or the origin, which it asks.
type hops interface {
	// serve serves requests at the other one, whose address it returns.
	serve(t *testing.T, handle func(ctx context.Context, x proxy.Exchange)) (addr string)
	// ask is the node's way there.
	ask(t *testing.T) peers.Tiers
	// nowhere is an address at which nobody listens.
	nowhere(t *testing.T) (addr string)
	// kill ends the process there at once; hang lets it say and hear nothing any more.
	kill(t *testing.T)
	hang(t *testing.T)
}

// doubleHops is the double: two nodes of a world of which nothing else runs.
type doubleHops struct {
	w        *world
	from, to *process
}

func newDoubleHops(t *testing.T) hops {
	w := newWorld(1, flaws{})
	t.Cleanup(w.cancel)
	d := &doubleHops{w: w}
	d.from, d.to = w.life(w.nodes[3]), w.life(w.nodes[0])
	t.Cleanup(func() { d.from.ep.end(); d.to.ep.end() })
	return d
}

// life is a process of which nothing runs.
func (w *world) life(n *node) *process {
	p := &process{node: n, ep: newEndpoint(n.name, n.region)}
	p.ctx, p.cancel = context.WithCancel(w.base)
	n.current = p
	return p
}

func (d *doubleHops) serve(_ *testing.T, handle func(ctx context.Context, x proxy.Exchange)) string {
	d.to.handle = handle
	d.to.ready.Store(true)
	d.w.origin = d.to.ep
	d.w.atOrigin = d.to.serve
	return d.to.addr
}

func (d *doubleHops) ask(*testing.T) peers.Tiers  { return &tiers{from: d.from} }
func (d *doubleHops) nowhere(t *testing.T) string { return d.w.nodes[1].addr }
func (d *doubleHops) kill(*testing.T)             { d.to.ep.end() }
func (d *doubleHops) hang(t *testing.T)           { t.Cleanup(d.w.net.pause(d.to.name)) }

// realHops is a listener and a client, with a relay between them that ends or stops as a process does.
type realHops struct{ relay *relay }

func newRealHops(*testing.T) hops { return &realHops{} }

func (r *realHops) serve(t *testing.T, handle func(ctx context.Context, x proxy.Exchange)) string {
	t.Helper()
	addr := testkit.FreeAddr(t)
	l := listener.New(listener.Config{Addr: addr, DrainTimeout: patience, FromTiers: true}, handle, slog.New(slog.DiscardHandler))
	testkit.Start(t, l.Run)
	r.relay = newRelay(t, addr)
	return r.relay.listener.Addr().String()
}

func (r *realHops) ask(t *testing.T) peers.Tiers {
	c := tier.New(secret)
	t.Cleanup(c.Close)
	return c
}

func (r *realHops) nowhere(t *testing.T) string { return testkit.FreeAddr(t) }
func (r *realHops) kill(*testing.T)             { r.relay.end() }
func (r *realHops) hang(*testing.T)             { r.relay.hang.Store(true) }

func TestContract_HopsDouble(t *testing.T) { onDouble(t, hopsContract(), newDoubleHops) }
func TestContract_Hops(t *testing.T)       { onReal(t, hopsContract(), newRealHops) }

// hopsContract is what nodes rely on when they ask others over HTTP.
func hopsContract() []demand[hops] {
	return []demand[hops]{
		{"TheRequestArrivesAsItIs", requestAsItIs},
		{"TheHeadComesBeforeTheBodysEnd", headFirst},
		{"BodiesAreWhole", bodiesWhole},
		{"ABodyThatBreaksOffDoesNotEnd", bodyBreaksOff},
		{"RepliesWithoutABody", withoutABody},
		{"NobodyIsThere", nobodyIsThere},
		{"OneThatEndsWhileItAnswers", endsWhileItAnswers},
		{"OneThatEndsWithinTheBody", endsWithinTheBody},
		{"Timeouts", timeouts},
		{"TheEndOfTheRequestCutsItsBody", requestEnds},
		{"AReaderThatLeaves", readerLeaves},
		{"PingsAndGivingUp", pingsAndGivingUp},
	}
}

// stream is a body that comes in parts, as somebody gives them.
type stream struct {
	parts  chan string // closed at the end
	err    error       // what it ends with, instead of io.EOF
	closed chan struct{}
	once   sync.Once
	rest   string
}

// part is as long as parts must be to come at once: a listener keeps back what does not fill its buffer of 16 KiB.
func part() string { return strings.Repeat("part", 16<<10) }

// begun reads what must have come of the first part.
func begun(t *testing.T, body io.Reader) (read int) {
	t.Helper()
	first := make([]byte, len(part())/2)
	if _, err := io.ReadFull(body, first); err != nil || string(first) != part()[:len(first)] {
		t.Fatal(err)
	}
	return len(first)
}

func newStream() *stream { return &stream{parts: make(chan string, 100), closed: make(chan struct{})} }

func (s *stream) Read(into []byte) (int, error) {
	if s.rest == "" {
		part, ok := <-s.parts
		switch {
		case !ok && s.err != nil:
			return 0, s.err
		case !ok:
			return 0, io.EOF
		}
		s.rest = part
	}
	n := copy(into, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *stream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func getting(target string) *proxy.Request {
	return &proxy.Request{Method: "GET", Host: siteHost, Target: target}
}

// fetched asks for a target and wants a response.
func fetched(t *testing.T, to peers.Tiers, addr string, r *proxy.Request) *proxy.Response {
	t.Helper()
	response, err := to.Fetch(t.Context(), addr, 10*time.Second, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() }) // once more, where the test has done so
	return response
}
