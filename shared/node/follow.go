package node

import (
	"context"
	"fmt"

	"tiercache/shared/follower"
	"tiercache/shared/runner"
)

// Follow says how a tier follows the control log.
type Follow struct {
	// Member: purges wait for the node. Edges and regional nodes are members.
	Member bool
	// Durable: the node's store outlives it, as L2 does.
	Durable bool
	// StandAlone: the node has services of its own and can serve without ever having heard of control.
	StandAlone bool
	// Capacity is how many purged scopes the index holds; 0: the default.
	Capacity int
}

// Follower makes what keeps the node's view of the control log current, with its metrics, and the part that
// runs it. The part goes first among the tier's own: it is ready once the node may serve, and stops, and leaves
// the fleet, after those that serve. A node without nats_url and control_url follows nothing: the
// follower is nil then, and the part does nothing.
func (n *Node) Follower(how Follow) (*follower.Follower, runner.Part, error) {
	if n.NATSURL == "" && n.ControlURL == "" {
		return nil, runner.Part{Name: "control log", Run: idle}, nil
	}
	b, err := n.Bus()
	if err != nil {
		return nil, runner.Part{}, err
	}
	token, err := n.TierToken()
	if err != nil {
		return nil, runner.Part{}, err
	}
	deps := follower.Deps{Log: n.Log, Health: n.Health}
	if b != nil { // no interface around a nil pointer
		deps.Bus = b
	}
	f, err := follower.New(follower.Config{
		Node: n.Node, Tier: n.Tier, Region: n.Region, Addr: n.Listen,
		ControlURL: n.ControlURL, TierToken: token, StateFile: n.StateFile,
		Member: how.Member, Leave: how.Member, Durable: how.Durable, StandAlone: how.StandAlone, Capacity: how.Capacity,
	}, deps)
	if err != nil {
		return nil, runner.Part{}, err
	}
	if err := f.Observe(n.Telemetry.Meter()); err != nil {
		return nil, runner.Part{}, fmt.Errorf("control log: %w", err)
	}
	return f, runner.Part{Name: "control log", Run: f.Run}, nil
}

func idle(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}
