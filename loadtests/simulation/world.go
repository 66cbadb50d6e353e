package simulation

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"

	"tiercache/control/members"
	"tiercache/control/nodes"
	"tiercache/control/sequencer"
	"tiercache/edge/peers"
	"tiercache/shared/controllog"
	"tiercache/shared/follower"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
	"tiercache/shared/runner"
)

// pollInterval is how often the log is polled: more seldom than in real life, where time costs nothing.
const pollInterval = 250 * time.Millisecond

// world is a fleet and all that it stands on.
type world struct {
	seed   uint64
	net    *network
	nats   *broker
	db     *database
	sql    *endpoint // PostgreSQL
	origin *endpoint
	// atOrigin serves there.
	atOrigin server
	site     *endpoint
	control  []*controller
	nodes    []*node
	l2       map[string]*memory // by region
	pages    []*resource
	strict   string // the service that is strict
	record   *record

	crew   crew            // who serves requests, and makes those of clients
	base   context.Context // of all that runs
	cancel context.CancelFunc
	group  sync.WaitGroup

	failing atomic.Bool // the site answers 503
	calm    atomic.Bool // upstreams hold nothing
	holds   *chance     // of how long upstreams take
}

// node is an edge or a regional node: what of it outlives its processes.
type node struct {
	world              *world
	name, tier, region string
	addr               string
	capacity           int // of its index
	disk               *disk
	clock              *clock

	mu      sync.Mutex
	current *process // nil while there is none
	starts  int
}

// process is one life of a node.
type process struct {
	*node
	ep       *endpoint
	ctx      context.Context
	cancel   context.CancelFunc
	ready    atomic.Bool
	alone    atomic.Bool // it has started without control
	follower *follower.Follower
	proxy    *proxy.Proxy
	handle   func(ctx context.Context, x proxy.Exchange) // what it does with requests: proxy.Serve
}

// controller is a control node.
type controller struct {
	world   *world
	name    string
	region  string
	mu      sync.Mutex
	current *control // nil while there is none
}

// control is one life of a control node.
type control struct {
	ep        *endpoint
	cancel    context.CancelFunc
	sequencer *sequencer.Sequencer
	members   *members.Tracker
	handler   http.Handler
}

func newWorld(seed uint64, flaws flaws) *world {
	w := &world{
		seed: seed, net: newNetwork(seed), db: newDatabase(flaws), sql: newEndpoint("postgres", "r1"), origin: newEndpoint("origin", "r1"),
		site: newEndpoint("site", "r2"), l2: map[string]*memory{}, pages: resources(), record: newRecord(), holds: newChance(seed, "upstreams"),
	}
	w.nats, w.atOrigin = newBroker(w.net), w.serveOrigin
	w.base, w.cancel = context.WithCancel(context.Background())
	context.AfterFunc(w.base, func() { w.nats.mail.end(); w.crew.end() })
	draw := newChance(seed, "world")
	w.strict = pick(draw, []string{"site", "own", "lag"})
	for _, name := range []string{"control-1", "control-2"} {
		w.control = append(w.control, &controller{world: w, name: name, region: "r" + name[8:]})
	}
	// A small index overflows; one that is large enough is exact.
	capacity := pick(draw, []int{8, 64, 256, 256})
	for _, region := range []string{"r1", "r2"} {
		w.l2[region] = newMemory(newChance(seed, "l2-"+region))
	}
	for i, region := range []string{"r1", "r1", "r2"} {
		w.addNode(fmt.Sprintf("regional-%d", i+1), "regional", region, fmt.Sprintf("10.0.0.%d:80", i+1), capacity)
	}
	for i, region := range []string{"r1", "r1", "r2", "r2"} {
		w.addNode(fmt.Sprintf("edge-%d", i+1), "edge", region, fmt.Sprintf("10.0.1.%d:80", i+1), capacity)
	}
	return w
}

func (w *world) addNode(name, tier, region, addr string, capacity int) {
	w.nodes = append(w.nodes, &node{world: w, name: name, tier: tier, region: region, addr: addr, capacity: capacity,
		disk: &disk{}, clock: newClock(newChance(w.seed, "clock-"+name))})
}

// at is the process that serves at an address, nil for none.
func (w *world) at(addr string) *process {
	for _, n := range w.nodes {
		if n.addr == addr {
			return n.process()
		}
	}
	return nil
}

// edges are the nodes that clients talk to.
func (w *world) edges() []*node { return w.nodes[3:] }

func (n *node) process() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current
}

// start begins a process of the node, if it has none.
func (n *node) start() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.current != nil {
		return
	}
	n.starts++
	w := n.world
	p := &process{node: n, ep: newEndpoint(n.name, n.region)}
	p.ctx, p.cancel = context.WithCancel(w.base)
	if err := p.build(); err != nil {
		panic(fmt.Sprintf("simulation: %s: %v", n.name, err)) // a mistake of this package
	}
	n.current = p
	w.group.Go(func() {
		_ = p.follower.Run(p.ctx, func() { p.ready.Store(true) }) // ends with its context
	})
}

// isAlone reports whether it has started without control and not found it yet.
func (p *process) isAlone() bool { return p.alone.Load() && !p.follower.Live(p.clock.now()) }

// build puts the process together as packages edge and regional do.
func (p *process) build() error {
	w := p.world
	var err error
	p.follower, err = follower.New(follower.Config{
		Node: p.name, Tier: p.tier, Region: p.region, Addr: p.addr, ControlURL: "http://control", TierToken: secret,
		Member: true, Leave: true, Durable: p.tier == "regional", Capacity: p.capacity,
	}, follower.Deps{Bus: w.nats.connect(p.ep), Transport: &transport{p}, Disk: &mount{disk: p.disk, ep: p.ep}, Now: p.clock.now, Log: w.listening(p.name, "starts without control", &p.alone)})
	if err != nil {
		return err
	}
	to := &tiers{from: p}
	deps := proxy.Deps{Control: p.follower, Now: p.clock.now, Random: &bytesOf{newChance(w.seed, fmt.Sprint("bodies-", p.name, p.starts))}, Log: w.logger(p.name)}
	if p.tier == "edge" {
		deps.Store = newMemory(nil)
		choice, err := peers.New(peers.Config{Region: p.region, Regionals: w.regionals(), Origin: "http://10.0.2.1:80"}, to, &foreign{p}, runner.NewHealth().Component("regional", false))
		if err != nil {
			return err
		}
		deps.Upstream = choice
		w.group.Go(func() { _ = choice.Run(p.ctx, func() {}) }) // ends with its context
	} else {
		deps.Store, deps.Upstream = w.l2[p.region], &upstreams{to, &foreign{p}}
	}
	if deps.Policy, err = policy.NewSet(nil); err != nil {
		return err
	}
	p.proxy, err = proxy.New(proxy.Config{Node: p.name, FacesClients: p.tier == "edge", TierToken: secret}, deps)
	if err != nil {
		return err
	}
	p.handle = p.proxy.Serve
	p.follower.OnServices(p.setPolicy)
	return nil
}

// regionals are the regional nodes as edges are told of them.
func (w *world) regionals() (list []string) {
	for _, n := range w.nodes[:3] {
		list = append(list, n.region+"=http://"+n.addr)
	}
	return list
}

func (p *process) setPolicy(changes []controllog.ServiceChange) {
	var documents []policy.Service
	for _, c := range changes {
		if c.Document != nil {
			documents = append(documents, *c.Document)
		}
	}
	if set, err := policy.NewSet(documents); err == nil {
		p.proxy.SetPolicy(set)
	}
}

// stop ends the node's process: in good order, or at once as kill -9 does.
func (n *node) stop(kill bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.current
	if p == nil {
		return
	}
	n.current = nil
	p.ready.Store(false)
	if kill {
		p.ep.end()
	}
	p.cancel()
	n.world.group.Go(func() {
		p.proxy.Drain(time.Second)
		_ = sleep(context.Background(), 3*time.Second) // longer than its last words may take
		p.ep.end()
	})
}

// start begins a process of the control node, if it has none.
func (c *controller) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		return
	}
	w := c.world
	k := &control{ep: newEndpoint(c.name, c.region)}
	var ctx context.Context
	ctx, k.cancel = context.WithCancel(w.base)
	store, conn := &session{w.db, w.net, k.ep, w.sql}, w.nats.connect(k.ep)
	k.members = members.New(store, w.logger(c.name))
	k.sequencer = sequencer.New(sequencer.Config{Interval: pollInterval, Capacity: 256}, sequencer.Deps{Log: store, Bus: conn, Saw: k.members.Saw, Branched: k.members.DistrustAll, Logger: w.logger(c.name)})
	answers := nodes.New(nodes.Deps{Sequencer: k.sequencer, Members: k.members, Bus: conn, Secret: secret, Log: w.logger(c.name)})
	mux := http.NewServeMux()
	answers.Register(mux)
	k.handler = mux
	c.current = k
	for _, run := range []func(context.Context, func()) error{k.members.Run, k.sequencer.Run, answers.Run} {
		w.group.Go(func() { _ = run(ctx, func() {}) }) // ends with its context
	}
}

// stop kills the control node.
func (c *controller) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		c.current.ep.end()
		c.current.cancel()
		c.current = nil
	}
}

func (c *controller) life() *control {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// transport is a node's way to control over HTTP: http.RoundTripper. Each request goes to one of the control nodes.
type transport struct{ from *process }

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := t.from.world
	to := pick(w.net.draw(link{t.from.name, "control"}), w.control).life()
	if to == nil {
		return nil, errRefused
	}
	if err := w.net.hop(r.Context(), t.from.ep, to.ep); err != nil {
		return nil, err
	}
	reply := httptest.NewRecorder()
	to.handler.ServeHTTP(reply, r)
	if err := w.net.hop(r.Context(), to.ep, t.from.ep); err != nil {
		return nil, err
	}
	return reply.Result(), nil
}
