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
	DryRun  bool   `json:"dry_run,omitempty" doc:"Check the request and tell what it would concern on each node; purge nothing"`
	Wait    string `json:"wait,omitempty" doc:"How long to wait for the receipts of all nodes, such as 2s; at most 60s. Of a dry run how long nodes may look, 5s if absent"`
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

	Estimates []Estimate `json:"estimates,omitempty" doc:"Of a dry run: what each node holds of what is named"`
}

// Estimate is what one node holds of what a purge names, and a purge has not killed already. Nodes that share a store
// each tell of all of it.
type Estimate struct {
	Node   string `json:"node"`
	Tier   string `json:"tier"`
	Region string `json:"region"`

	Objects      int64 `json:"objects" doc:"Stored responses"`
	ObjectsError int64 `json:"objects_error" doc:"How far off that may be, either way, with 95 % confidence; 0 where it is exact"`
	Bytes        int64 `json:"bytes" doc:"Of their heads and bodies"`
	BytesError   int64 `json:"bytes_error" doc:"How far off that may be, either way, with 95 % confidence; 0 where it is exact"`

	Exact bool `json:"exact" doc:"All that the node holds was looked at"`
	Seen  int  `json:"seen" doc:"Values that were looked at"`
	Of    int  `json:"of" doc:"Values in the store"`

	Problem string `json:"problem,omitempty" doc:"Why nothing is known of this node"`
}

// Receipt is what one node made of an entry of the control log.
type Receipt struct {
	Node   string `json:"node"`
	Tier   string `json:"tier"`
	Region string `json:"region"`
	State  string `json:"state" enum:"applied,pending,fenced"`
	MS     int64  `json:"ms" doc:"Milliseconds until control knew: from the request where this control node took it, else from when it first saw the entry in the log, which is a few milliseconds after its commit unless it was away. 0 while pending"`

	Heard time.Time `json:"heard,omitzero" doc:"Of a node that has not applied it: when control heard it last; absent where it has not since it started"`
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
