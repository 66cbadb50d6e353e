package client

import "time"

// States of a node as control sees it. A node that was silent for ten minutes is not listed any more.
const (
	StateLive   = "live"   // heard within the last three seconds
	StateSilent = "silent" // not heard for longer; it may be down or cut off from the bus
)

// Fleet is the reply of GET /v1/fleet.
type Fleet struct {
	Ready bool   `json:"ready" doc:"Whether every node is live and ready, and no member is fenced"`
	Head  uint64 `json:"head" doc:"Epoch of the last entry of the control log that this control node has applied; 0: none yet"`
	Nodes []Node `json:"nodes" doc:"By tier and name"`
}

// Node is one member of the fleet, by its own last words.
type Node struct {
	Node        string    `json:"node" doc:"Unique name"`
	Tier        string    `json:"tier" doc:"control, origin, regional or edge"`
	Region      string    `json:"region"`
	Addr        string    `json:"addr" doc:"host:port where it serves"`
	Admin       string    `json:"admin" doc:"host:port of its admin listener"`
	Version     string    `json:"version"`
	Started     time.Time `json:"started"`
	Ready       bool      `json:"ready" doc:"What it said last about itself"`
	State       string    `json:"state" enum:"live,silent"`
	LastHeardMS int64     `json:"last_heard_ms" doc:"Milliseconds since it was heard last"`

	Applied uint64 `json:"applied" doc:"Epoch through which it has applied the control log, as it said last; 0 for nodes that do not say"`
	LagMS   int64  `json:"lag_ms" doc:"Milliseconds since control saw the first entry that the node lacks; 0: none is missing"`
	Lease   string `json:"lease" enum:"live,fenced,none" doc:"live: purges wait for it; fenced: it cannot call itself current; none: it is no member, so that no purge waits for it"`

	Draining bool   `json:"draining,omitempty" doc:"It was told to say that it is not ready"`
	Refused  string `json:"refused,omitempty" doc:"Why control refuses it: another process of that name is the member, and may hold a lease"`
}

// Leases of a node as control sees them.
const (
	LeaseLive   = "live"
	LeaseFenced = "fenced"
	LeaseNone   = "none"
)

// Version is the reply of GET /v1/version.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Node    string `json:"node"`
}
