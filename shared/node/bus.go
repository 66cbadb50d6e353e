package node

import (
	"context"

	"tiercache/shared/bus"
)

// BusConfig is how the node connects to the bus.
func (n *Node) BusConfig() bus.Config {
	return bus.Config{URL: n.NATSURL, SeedFile: n.NATSSeedFile, Name: n.Node, Role: n.Tier, Log: n.Log, Health: n.Health}
}

// Bus is the node's one connection to NATS, nil when there is no nats_url. The first call starts
// connecting and does not wait; Close ends it. An error is one of configuration. It is for those who build the
// node: calls must not overlap.
func (n *Node) Bus() (*bus.Bus, error) {
	if n.bus != nil || n.NATSURL == "" {
		return n.bus, nil
	}
	b, err := bus.Connect(context.Background(), n.BusConfig())
	if err != nil {
		return nil, err
	}
	n.bus = b
	return b, nil
}
