package api

import "time"

// Fields of replies that place them in the control log, and the parameter by which a write waits.
const (
	// EpochField of a read is the epoch as of which the reply is known to be current, of a write its own.
	EpochField = "Tiercache-Epoch"

	// WaitParameter makes a write wait until every node of the fleet has applied it: ?wait=2s.
	WaitParameter = "wait"

	// MaxWait is the longest that a write waits.
	MaxWait = time.Minute
)

// States of a Receipt, of all nodes together (pending, complete) and of one (applied, pending, fenced).
const (
	StatePending  = "pending"
	StateComplete = "complete"
	StateApplied  = "applied"
	StateFenced   = "fenced"
)

// Write is what the answer to a write says about its place in the control log.
type Write struct {
	// Epoch of the write; a read that carries it as Tiercache-Min-Epoch gets this write or a later one,
	// anywhere. Null: the write is committed, but its epoch was not known in time.
	Epoch *uint64 `json:"epoch"`
	Note  string  `json:"note,omitempty"` // in words, what is not as usual

	Receipt *Receipt `json:"receipt,omitempty"` // if the request has asked for it
}

// Written is the answer to a PUT.
type Written struct {
	Object
	Write
}

// Removed is the answer to a DELETE that waits.
type Removed struct {
	Host    string `json:"host"`
	Path    string `json:"path"`
	Deleted bool   `json:"deleted"`
	Write
}

// Receipt says which nodes have applied an epoch.
type Receipt struct {
	Epoch uint64        `json:"epoch,omitempty"`
	State string        `json:"state"`
	Nodes []NodeReceipt `json:"nodes"`
	Note  string        `json:"note,omitempty"` // why nothing is known
}

// NodeReceipt says whether one node has applied an epoch. A fenced node has not, but holds no lease either.
type NodeReceipt struct {
	Node   string `json:"node"`
	Tier   string `json:"tier"`
	Region string `json:"region"`
	State  string `json:"state"`
	MS     int64  `json:"ms"` // from when control saw the write in the log until it knew
}

// Complete reports whether no node can serve what was there before the write and call it current.
func (r *Receipt) Complete() bool { return r != nil && r.State == StateComplete }
