package control

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/control/members"
	"tiercache/control/postgres"
	"tiercache/shared/bus"
	"tiercache/shared/token"
)

type fleetReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.Fleet
}

// registerFleet registers the operations on the fleet.
func (c *Control) registerFleet(api huma.API) {
	huma.Register(api, c.operation(api, http.MethodGet, "/v1/fleet", "getFleet", "List the nodes of the fleet", token.Read),
		func(context.Context, *struct{}) (*fleetReply, error) {
			return &fleetReply{CacheControl: "no-store", Body: c.fleet(time.Now())}, nil
		})
	remove := c.operation(api, http.MethodDelete, "/v1/fleet/{node}", "removeMember", "Forget a node that is gone for good", token.Admin)
	remove.Errors = append(remove.Errors, http.StatusNotFound, http.StatusConflict)
	huma.Register(api, remove, c.removeMember)
	drain := c.operation(api, http.MethodPost, "/v1/fleet/{node}/drain", "drainNode", "Tell a node to say that it is not ready", token.Admin)
	drain.Description += " It serves on and stays a member; its /readyz fails, so that clients are sent elsewhere. A restart ends it."
	undrain := c.operation(api, http.MethodDelete, "/v1/fleet/{node}/drain", "undrainNode", "Put a drained node back into rotation", token.Admin)
	for _, op := range []*huma.Operation{&drain, &undrain} {
		op.Errors = append(op.Errors, http.StatusNotFound)
		op.DefaultStatus = http.StatusNoContent
	}
	huma.Register(api, drain, func(ctx context.Context, in *memberInput) (*struct{}, error) {
		return c.drainMember(ctx, in.Node, true)
	})
	huma.Register(api, undrain, func(ctx context.Context, in *memberInput) (*struct{}, error) {
		return c.drainMember(ctx, in.Node, false)
	})
}

// drainMember takes a node out of rotation, or puts it back.
func (c *Control) drainMember(ctx context.Context, node string, drain bool) (*struct{}, error) {
	switch err := c.members.Drain(ctx, node, drain); {
	case errors.Is(err, members.ErrUnknown):
		return nil, huma.Error404NotFound("no member has this name: see /v1/fleet")
	case err != nil:
		return nil, c.fault(ctx, err)
	}
	action := "member.drain"
	if !drain {
		action = "member.undrain"
	}
	who := callerOf(ctx)
	return nil, c.fault(ctx, c.store.AddActivity(ctx, postgres.Activity{Who: who.Name, From: who.From, Action: action, Subject: node}))
}

type memberInput struct {
	Node string `path:"node" maxLength:"63" pattern:"^[0-9A-Za-z_-]+$" patternDescription:"the name of a node, as GET /v1/fleet shows it"`
}

// removeMember forgets a node that holds no lease, which the fleet would otherwise be waiting for until a day is over.
func (c *Control) removeMember(ctx context.Context, in *memberInput) (*struct{}, error) {
	switch err := c.members.Remove(ctx, in.Node); {
	case errors.Is(err, members.ErrLive):
		return nil, huma.Error409Conflict(err.Error())
	case errors.Is(err, members.ErrUnknown):
		return nil, huma.Error404NotFound(err.Error())
	case err != nil:
		return nil, c.fault(ctx, err)
	}
	c.roster.forget(in.Node)
	who := callerOf(ctx)
	err := c.store.AddActivity(ctx, postgres.Activity{Who: who.Name, From: who.From, Action: "member.remove", Subject: in.Node})
	return nil, c.fault(ctx, err)
}

// followFleet keeps the roster of the nodes that announce themselves on the bus.
func (c *Control) followFleet(ctx context.Context, ready func()) error {
	if c.bus != nil {
		stop, err := c.bus.SubscribeHello(func(h bus.Hello) { c.roster.hear(h, time.Now()) })
		if err != nil {
			return err
		}
		defer stop()
	}
	ready()
	<-ctx.Done()
	return nil
}

// fleet lists the nodes: this one by its own knowledge, the others by what the bus brought and by their
// renewals, which also come while the bus is down.
func (c *Control) fleet(now time.Time) client.Fleet {
	c.roster.hear(c.node.Hello(), now)
	f := c.roster.fleet(now)
	f.Head = c.sequencer.Applied()
	for _, m := range c.members.Members() {
		addMember(listed(&f, client.Node{Node: m.Node, Tier: m.Tier, Region: m.Region, Addr: m.Addr}), m, now)
	}
	for _, r := range c.members.Rivals(now.Add(-silentAfter)) {
		n := listed(&f, client.Node{Node: r.Node, Tier: r.Tier, Region: r.Region, Addr: r.Addr})
		n.Refused, n.State, n.Ready = r.Reason, client.StateLive, false
	}
	f.Ready = true
	for i := range f.Nodes {
		n := &f.Nodes[i]
		f.Ready = f.Ready && n.Ready && n.State == client.StateLive && n.Lease != client.LeaseFenced
	}
	slices.SortFunc(f.Nodes, func(a, b client.Node) int { return byPlace(&a, &b) })
	return f
}

// listed is the fleet's entry of that tier, name and address: a new one, silent as yet, if there is none.
func listed(f *client.Fleet, n client.Node) *client.Node {
	for i := range f.Nodes {
		if o := &f.Nodes[i]; o.Tier == n.Tier && o.Node == n.Node && o.Addr == n.Addr {
			return o
		}
	}
	n.State, n.Lease = client.StateSilent, client.LeaseNone
	f.Nodes = append(f.Nodes, n)
	return &f.Nodes[len(f.Nodes)-1]
}

// addMember adds what the node says when it renews.
func addMember(n *client.Node, m members.State, now time.Time) {
	n.Applied, n.LagMS, n.Lease, n.Draining = m.Applied, m.Lag.Milliseconds(), client.LeaseFenced, m.Draining
	if m.Lease == members.LeaseLive {
		n.Lease = client.LeaseLive
	}
	if m.Renewed.IsZero() {
		return
	}
	silence := now.Sub(m.Renewed)
	if silence <= silentAfter {
		n.State = client.StateLive
	}
	if heard := silence.Milliseconds(); n.LastHeardMS == 0 || heard < n.LastHeardMS {
		n.LastHeardMS = max(0, heard)
	}
}
