package controllog

import "time"

// How nodes stay current. A lease counts from the moment its request was sent.
const (
	// LeaseTime is how long an answer to a Renew lets a node call itself current.
	LeaseTime = 2 * time.Second
	// RenewInterval is how often a node asks.
	RenewInterval = 500 * time.Millisecond
	// FenceTime is how long after an entry was sequenced each node has either applied it or holds no lease
	// any more: LeaseTime and a margin for clocks that run at different speeds.
	FenceTime = LeaseTime + 500*time.Millisecond
	// ReportInterval is how often a node reports its applied epoch at most, unless control has told it a shorter
	// one; a node that was idle reports at once.
	ReportInterval = 50 * time.Millisecond
	// MinReportInterval is the shortest that control may tell.
	MinReportInterval = 2 * time.Millisecond
	// HintSize is the largest encoded entry, in bytes, that is published whole; a larger one is fetched.
	HintSize = 64 << 10
)

// Renew is heartbeat, receipt and request for a lease in one, or a receipt alone. It travels as JSON.
type Renew struct {
	Node    string `json:"node"`
	Tier    string `json:"tier"`
	Region  string `json:"region"`
	Addr    string `json:"addr"`
	Applied uint64 `json:"applied"`
	// Chain is the hash of the log through Applied, as the node has it; 0: not known.
	Chain uint64 `json:"chain,omitempty"`
	Nonce string `json:"nonce"`
	// Instance is drawn by each process at its start: two of one name are two, and a member is one of them.
	Instance string `json:"instance"`
	// Replaces is the instance of the process before, if the node knows that it has ended: its name is free at once.
	Replaces string `json:"replaces,omitempty"`
	// Join registers the node as a member before head is read. A node joins before it serves.
	Join bool `json:"join,omitempty"`
	// Leave removes it: it has drained. It is the last word of its process.
	Leave bool `json:"leave,omitempty"`
	// Report only says what the node has applied: it is not answered, and grants nothing. One that is lost is made good
	// by the next renewal.
	Report bool `json:"report,omitempty"`
	// Lost is the highest epoch that the node had applied and the log went on without, until control has heard of it.
	Lost uint64 `json:"lost,omitempty"`
}

// RenewReply answers a Renew. Head was read by a statement that began after the request had arrived and left
// the outbox empty: the lease counts from when the request was sent, once the node has applied Head.
type RenewReply struct {
	Nonce string `json:"nonce"`
	Head  uint64 `json:"head"`
	// ReportMicros is how often the node may report, in microseconds: less often the more members there are.
	// 0, or more than ReportInterval: ReportInterval.
	ReportMicros int64 `json:"report_us,omitempty"`
	// Drain asks the node to say that it is not ready, so that clients are sent elsewhere.
	Drain bool `json:"drain,omitempty"`
	// Refused says why there is no lease: RefusedUnknown, or a fault of control in words.
	Refused string `json:"refused,omitempty"`
	// Taken: it is refused since another process is the member of that name, and may hold a lease.
	Taken bool `json:"taken,omitempty"`
	// Branched: it is refused since what it has applied is another branch of the log: it needs an image.
	Branched bool `json:"branched,omitempty"`
}

// RefusedUnknown: the node is not a member (any more); it must join.
const RefusedUnknown = "unknown node: join"

// Fetch asks for the entries behind After, oldest first.
type Fetch struct {
	After uint64 `json:"after"`
	Chain uint64 `json:"chain,omitempty"` // of the log through After, as the node has it; 0: not known
}

// MaxFetch bounds the encoded entries of one FetchReply, in bytes.
const MaxFetch = 512 << 10

// ReportEvery is how often a node may report after this answer.
func (r *RenewReply) ReportEvery() time.Duration {
	every := time.Duration(r.ReportMicros) * time.Microsecond
	if every <= 0 || every > ReportInterval {
		return ReportInterval
	}
	return max(every, MinReportInterval)
}
