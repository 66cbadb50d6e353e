package control

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"tiercache/control/client"
	"tiercache/shared/bus"
)

const (
	// silentAfter is how long a node may say nothing before it counts as silent: three hellos.
	silentAfter = 3 * time.Second

	// forgottenAfter is how long a silent node is still listed.
	forgottenAfter = 10 * time.Minute

	// maxNodes bounds the roster; a new node beyond it takes the place of the one silent longest.
	maxNodes = 10_000
)

// roster is the nodes that were heard of. It is safe for concurrent use.
type roster struct {
	mu struct {
		sync.Mutex
		nodes map[nodeID]heard
	}
}

// nodeID identifies a node. Tier and name: the bus lets a tier's key speak for that tier only. Where it serves: two
// processes may have been given one name, and one must not hide the other.
type nodeID struct{ tier, node, addr string }

type heard struct {
	hello bus.Hello
	at    time.Time
}

func newRoster() *roster {
	r := &roster{}
	r.mu.nodes = make(map[nodeID]heard)
	return r
}

// hear notes what a node said at that moment.
func (r *roster) hear(h bus.Hello, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := nodeID{h.Tier, h.Node, h.Addr}
	if _, known := r.mu.nodes[id]; !known && len(r.mu.nodes) >= maxNodes {
		r.dropOldest()
	}
	r.mu.nodes[id] = heard{hello: h, at: at}
}

// forget drops the nodes of that name, of any tier.
func (r *roster) forget(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.mu.nodes {
		if id.node == node {
			delete(r.mu.nodes, id)
		}
	}
}

// dropOldest makes room. The lock is held.
func (r *roster) dropOldest() {
	var oldest nodeID
	first := true
	for id, n := range r.mu.nodes {
		if first || n.at.Before(r.mu.nodes[oldest].at) {
			oldest, first = id, false
		}
	}
	delete(r.mu.nodes, oldest)
}

// fleet lists the nodes by tier and name, and drops those that are forgotten by now, or that have moved to another
// address since.
func (r *roster) fleet(now time.Time) client.Fleet {
	r.mu.Lock()
	defer r.mu.Unlock()
	type name struct{ tier, node string }
	newest := make(map[name]time.Time, len(r.mu.nodes))
	for id, n := range r.mu.nodes {
		if key := (name{id.tier, id.node}); n.at.After(newest[key]) {
			newest[key] = n.at
		}
	}
	f := client.Fleet{Ready: true, Nodes: make([]client.Node, 0, len(r.mu.nodes))}
	for id, n := range r.mu.nodes {
		silence := now.Sub(n.at)
		moved := silence > silentAfter && newest[name{id.tier, id.node}].After(n.at)
		if silence > forgottenAfter || moved {
			delete(r.mu.nodes, id)
			continue
		}
		node := describe(n.hello, silence)
		f.Ready = f.Ready && node.Ready && node.State == client.StateLive
		f.Nodes = append(f.Nodes, node)
	}
	slices.SortFunc(f.Nodes, func(a, b client.Node) int { return byPlace(&a, &b) })
	return f
}

// byPlace orders nodes by tier, name and address.
func byPlace(a, b *client.Node) int {
	return cmp.Or(cmp.Compare(rank(a.Tier), rank(b.Tier)), strings.Compare(a.Tier, b.Tier), strings.Compare(a.Node, b.Node), strings.Compare(a.Addr, b.Addr))
}

func describe(h bus.Hello, silence time.Duration) client.Node {
	state := client.StateLive
	if silence > silentAfter {
		state = client.StateSilent
	}
	return client.Node{
		Node: h.Node, Tier: h.Tier, Region: h.Region, Addr: h.Addr, Admin: h.Admin, Version: h.Version,
		Started: h.Started, Ready: h.Ready, State: state, LastHeardMS: max(0, silence.Milliseconds()), Lease: client.LeaseNone,
	}
}

// rank orders tiers from the control plane out to the clients.
func rank(tier string) int {
	return slices.Index([]string{"control", "origin", "regional", "edge"}, tier)
}
