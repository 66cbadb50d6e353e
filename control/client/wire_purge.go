package client

import "time"

// States of a purge and of a node's receipt for it.
const (
	// StatePending: the node, or some node, may still serve what was purged.
	StatePending = "pending"
	// StateComplete: every node has applied the purge or is fenced.
	StateComplete = "complete"
	// StateApplied: the node has applied the purge.
	StateApplied = "applied"
	// StateFenced: the node has not, but cannot call itself current any more: it serves by the rules for
	// nodes that are cut off.
	StateFenced = "fenced"
	// StateDryRun: nothing was purged.
	StateDryRun = "dry_run"
)

// PurgeRequest is the body of POST /v1/purges. The lists are a union.
type PurgeRequest struct {
	URLs     []string `json:"urls,omitempty" doc:"Absolute URLs: http://host/path stands for all queries and variants, http://host/path?query for that query alone. Scheme and port do not matter; host * means this path on every host that the origin serves"`
	Tags     []string `json:"tags,omitempty" doc:"Surrogate keys: of all services, or of service"`
	Prefixes []string `json:"prefixes,omitempty" doc:"Absolute URLs that end with /: everything below"`
	Hosts    []string `json:"hosts,omitempty" doc:"Host names, without port"`
	Services []string `json:"services,omitempty" doc:"Services by name"`
	All      bool     `json:"all,omitempty" doc:"Everything"`

	Service string `json:"service,omitempty" doc:"Limits tags to this service"`
	Mode    string `json:"mode,omitempty" doc:"hard (the default): never served again; soft: revalidated first" enum:"hard,soft"`
	DryRun  bool   `json:"dry_run,omitempty" doc:"Check the request and tell what it names; purge nothing"`
	Wait    string `json:"wait,omitempty" doc:"How long to wait for the receipts of all nodes, such as 2s; at most 60s"`
}

// Purge is a purge with its receipts.
type Purge struct {
	ID    string    `json:"id,omitempty"`
	Epoch uint64    `json:"epoch,omitempty" doc:"Of its last entry in the control log; absent while it has none"`
	State string    `json:"state" enum:"pending,complete,dry_run"`
	Nodes []Receipt `json:"nodes" doc:"Every node that was a member when the purge was sequenced"`

	At      time.Time     `json:"at,omitzero" doc:"When it was accepted"`
	By      string        `json:"by,omitempty" doc:"Name of the token"`
	From    string        `json:"from,omitempty" doc:"Address that it came from"`
	Mode    string        `json:"mode,omitempty"`
	Scopes  int           `json:"scopes,omitempty" doc:"How many things it names"`
	Request *PurgeRequest `json:"request,omitempty" doc:"What was asked; absent where it was long"`
}

// Receipt is what one node made of an entry of the control log.
type Receipt struct {
	Node   string `json:"node"`
	Tier   string `json:"tier"`
	Region string `json:"region"`
	State  string `json:"state" enum:"applied,pending,fenced"`
	MS     int64  `json:"ms" doc:"Milliseconds until control knew: from the request where this control node took it, else from when it first saw the entry in the log, which is a few milliseconds after its commit unless it was away. 0 while pending"`
}

// Receipts are those of all members for one epoch: the reply of GET /v1/node/receipts.
type Receipts struct {
	Epoch uint64    `json:"epoch"`
	State string    `json:"state" enum:"pending,complete"`
	Nodes []Receipt `json:"nodes"`
}

// Purges is the reply of GET /v1/purges, newest first.
type Purges struct {
	Purges []Purge `json:"purges"`
	Next   string  `json:"next,omitempty" doc:"The value of before that lists on; absent at the end"`
}
