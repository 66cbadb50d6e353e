package node

import (
	"tiercache/shared/follower"
	"tiercache/shared/holdings"
	"tiercache/shared/object"
	"tiercache/shared/policy"
)

// Holdings makes what tells control of what is in the node's store, when it asks. A node without a bus, or that follows
// no log, is never asked.
func (n *Node) Holdings(log *follower.Follower, store object.Walker, services *policy.Set) (*holdings.Holdings, error) {
	deps := holdings.Deps{Store: store, Log: n.Log}
	b, err := n.Bus()
	if err != nil {
		return nil, err
	}
	if b != nil && log != nil { // no interface around a nil pointer
		deps.Bus, deps.View = b, log
	}
	h := holdings.New(holdings.Config{Tier: n.Tier, Node: n.Node}, deps)
	h.SetPolicy(services)
	return h, nil
}
