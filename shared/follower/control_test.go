package follower_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/bus/natsd"
	"tiercache/shared/controllog"
	"tiercache/shared/follower"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

const (
	deadline = 15 * time.Second
	secret   = "the fleet's secret"
	first    = uint64(1_000_000)
)

// control is what answers nodes: a log in memory, behind real NATS and real HTTP.
type control struct {
	t        testing.TB
	seeds    string // directory of NATS credentials
	natsAddr string
	httpAddr string
	stopNATS func()
	stopHTTP func()
	bus      *bus.Bus

	mu struct {
		sync.Mutex
		log       []controllog.Entry
		compacted uint64 // entries up to this one are gone
		members   map[string]controllog.Renew
		renews    []controllog.Renew
		overHTTP  int // of renews
		fetches   int
		images    int
		refuse    string // what every renewal is told
		taken     string // what one that is no member is told: that another process has its name
		noFetch   bool   // fetches are refused
		badNonce  bool
		heads     []uint64 // what heads are answered, oldest first, before the true one
	}
}

func newControl(t testing.TB) *control {
	t.Helper()
	c := &control{t: t, seeds: t.TempDir(), natsAddr: testkit.FreeAddr(t), httpAddr: testkit.FreeAddr(t)}
	c.mu.members = make(map[string]controllog.Renew)
	if _, err := natsd.GenerateCredentials(c.seeds); err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs NATS and HTTP and puts control on both.
func (c *control) start() *control {
	c.t.Helper()
	c.startNATS()
	c.startHTTP()
	c.bus = c.connect("control")
	serve := func(stop func(), err error) {
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(stop)
	}
	serve(c.bus.ServeRenew(func(_, _ string, payload []byte, reply func([]byte)) { reply(c.renew(payload)) }))
	serve(c.bus.ServeFetch(func(_ string, payload []byte, reply func([]byte)) {
		var request controllog.Fetch
		if err := json.Unmarshal(payload, &request); err != nil {
			c.t.Error(err)
		}
		r := c.fetch(request.After)
		b, _ := r.AppendBinary(nil) // never fails
		reply(b)
	}))
	c.flush()
	return c
}

func (c *control) flush() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := c.bus.Flush(ctx); err != nil {
		c.t.Fatal(err)
	}
}

func (c *control) startNATS() {
	c.t.Helper()
	s, err := natsd.New(natsd.Config{Listen: c.natsAddr, Credentials: c.seeds})
	if err != nil {
		c.t.Fatal(err)
	}
	c.stopNATS = run(c.t, s.Run)
}

func (c *control) startHTTP() {
	c.t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/node/renew", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a broken one is no JSON
		c.set(func(c *control) { c.mu.overHTTP++ })
		_, _ = w.Write(c.renew(body)) // a client that left is its own matter, here and below
	})
	mux.HandleFunc("GET /v1/node/log", func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.ParseUint(r.FormValue("after"), 10, 64) // 0 asks for all
		reply := c.fetch(after)
		switch {
		case reply.Compacted:
			w.WriteHeader(http.StatusGone)
		case reply.Refused != "":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.Header().Set(controllog.HeadHeader, strconv.FormatUint(reply.Head, 10))
			_, _ = w.Write(reply.Entries)
		}
	})
	mux.HandleFunc("GET /v1/node/image", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(c.image()) })
	listener, err := net.Listen("tcp", c.httpAddr)
	if err != nil {
		c.t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: deadline, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(controllog.TierHeader) != secret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(listener) }() // ends by Close
	c.stopHTTP = sync.OnceFunc(func() { _ = server.Close() })
	c.t.Cleanup(c.stopHTTP)
}

func (c *control) connect(role string) *bus.Bus {
	c.t.Helper()
	b, err := bus.Connect(c.t.Context(), bus.Config{
		URL: "nats://" + c.natsAddr, SeedFile: natsd.SeedFile(c.seeds, role), Name: role + "-1", Role: role,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(b.Close)
	if c.stopNATS != nil {
		eventually(c.t, "connected", b.Connected)
	}
	return b
}

// add puts an entry behind the last one and returns it. It is not published.
func (c *control) add(e controllog.Entry) controllog.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.Prev, e.Time, e.ID = c.headLocked(), time.UnixMilli(1_700_000_000_000).UTC(), "test"
	if e.Epoch == 0 {
		e.Epoch = max(e.Prev+1, first)
	}
	c.mu.log = append(c.mu.log, e)
	return e
}

// purge adds the purge of a tag, and publishes it.
func (c *control) purge(tag string) controllog.Entry {
	c.t.Helper()
	e := c.add(purgeOf(tag))
	c.publish(e)
	return e
}

func (c *control) publish(e controllog.Entry) {
	c.t.Helper()
	if err := c.bus.PublishLog(controllog.AppendMessage(nil, &e)); err != nil && !errors.Is(err, bus.ErrDisconnected) {
		c.t.Error(err)
	}
}

func purgeOf(tag string) controllog.Entry {
	return controllog.Entry{Kind: controllog.KindPurge, Mode: invalidation.Hard, Scopes: scopesOf(tag)}
}

func scopesOf(tag string) []object.Scope { return []object.Scope{invalidation.TagScope("", tag)} }

func serviceOf(name string, version int) controllog.Entry {
	return controllog.Entry{Kind: controllog.KindService, Service: &controllog.ServiceChange{Name: name, Version: version}}
}

func (c *control) headLocked() uint64 {
	if n := len(c.mu.log); n > 0 {
		return c.mu.log[n-1].Epoch
	}
	return 0
}

func (c *control) head() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.headLocked()
}

func (c *control) renew(payload []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var request controllog.Renew
	if err := json.Unmarshal(payload, &request); err != nil {
		c.t.Error(err)
	}
	if request.Report {
		if m, known := c.mu.members[request.Node]; known && m.Instance == request.Instance {
			c.mu.members[request.Node] = request
		}
		return nil
	}
	c.mu.renews = append(c.mu.renews, request)
	reply := controllog.RenewReply{Nonce: request.Nonce, Head: c.headLocked(), Refused: c.mu.refuse}
	_, known := c.mu.members[request.Node]
	switch {
	case request.Leave:
		delete(c.mu.members, request.Node)
		reply.Refused = "it has left"
	case (request.Join || !known) && c.mu.taken != "":
		reply.Refused, reply.Taken = c.mu.taken, true
	case request.Join && c.mu.refuse == "", known:
		c.mu.members[request.Node] = request
	case c.mu.refuse == "":
		reply.Refused = controllog.RefusedUnknown
	}
	if c.mu.badNonce {
		reply.Nonce = "another"
	}
	if len(c.mu.heads) > 0 {
		reply.Head, c.mu.heads = c.mu.heads[0], c.mu.heads[1:]
	}
	b, _ := json.Marshal(reply) // plain fields
	return b
}

func (c *control) fetch(after uint64) controllog.FetchReply {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.fetches++
	if c.mu.noFetch {
		return controllog.FetchReply{Refused: "told to"}
	}
	if after < c.mu.compacted {
		return controllog.FetchReply{Compacted: true}
	}
	reply := controllog.FetchReply{Head: c.headLocked()}
	for i := range c.mu.log {
		if e := &c.mu.log[i]; e.Epoch > after && len(reply.Entries) < 4<<10 { // so that much takes several
			reply.Entries = controllog.AppendEntry(reply.Entries, e)
		}
	}
	return reply
}

func (c *control) image() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.images++
	return imageOf(c.t, c.mu.log)
}

func imageOf(t testing.TB, log []controllog.Entry) []byte {
	t.Helper()
	r := controllog.NewReplica(0)
	if _, err := r.Apply(log...); err != nil {
		t.Error(err)
	}
	b, err := r.Image().AppendBinary(nil)
	if err != nil {
		t.Error(err)
	}
	return b
}

// set changes what control does.
func (c *control) set(change func(c *control)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// get reads something that requests write.
func get[T any](c *control, read func(c *control) T) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return read(c)
}

// reported is what a node last said that it has applied, while it is a member.
func (c *control) reported(node string) uint64 {
	return get(c, func(c *control) uint64 { return c.mu.members[node].Applied })
}

// node is a follower under test.
type node struct {
	*follower.Follower
	health   *runner.Health
	stop     func()
	services chan []controllog.ServiceChange
}

// edge is the configuration of a member that can use NATS and HTTP.
func (c *control) edge() follower.Config {
	return follower.Config{
		Durable: true,
		Node:    "edge-1", Tier: "edge", Region: "r1", Addr: "127.0.0.1:8080", Member: true, Leave: true,
		ControlURL: "http://" + c.httpAddr, TierToken: secret,
	}
}

// start runs a follower until the test ends, and waits until it is ready.
func start(t testing.TB, cfg follower.Config, deps follower.Deps) *node {
	t.Helper()
	n, begin := prepare(t, cfg, deps)
	begin()
	return n
}

func prepare(t testing.TB, cfg follower.Config, deps follower.Deps) (n *node, begin func()) {
	t.Helper()
	n = &node{health: runner.NewHealth(), services: make(chan []controllog.ServiceChange, 100)}
	deps.Health = n.health
	f, err := follower.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	n.Follower = f
	f.OnServices(func(s []controllog.ServiceChange) { n.services <- s })
	return n, func() { n.stop = run(t, f.Run) }
}

func (n *node) detail() string { return n.health.Report().Components["control"].Detail }

// run runs a part until the returned function is called or the test ends.
func run(t testing.TB, part func(ctx context.Context, ready func()) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- part(ctx, func() { close(ready) }) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatalf("ended before it was ready: %v", err)
	case <-time.After(2 * deadline):
		t.Fatal("not ready")
	}
	return stop
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	testkit.Eventually(t, deadline, func() error {
		if !ok() {
			return fmt.Errorf("not %s", what)
		}
		return nil
	})
}

// connectLater is an edge's connection to a server that is not there yet.
func (c *control) connectLater() *bus.Bus {
	c.t.Helper()
	b, err := bus.Connect(c.t.Context(), bus.Config{
		URL: "nats://" + c.natsAddr, SeedFile: natsd.SeedFile(c.seeds, "edge"), Name: "edge-1", Role: "edge",
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(b.Close)
	return b
}
