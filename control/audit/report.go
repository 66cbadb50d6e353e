package audit

import "time"

// Kinds of violations.
const (
	// KindMissed: the node has applied the log through the purge, and would serve the entry all the same.
	KindMissed = "missed"
	// KindBehind: the node has not applied the purge within the time that is allowed.
	KindBehind = "behind"
	// KindContent: the entry is no version that the origin has had within that time, whatever its stamp says.
	KindContent = "content"
)

// Violation is an entry that a node would serve although it must not.
type Violation struct {
	Kind   string `json:"kind"`
	Node   string `json:"node"`
	Tier   string `json:"tier"`
	Region string `json:"region"`

	Service string `json:"service"`
	URL     string `json:"url"`
	Key     string `json:"key"` // in the store, in hexadecimal
	Stamp   uint64 `json:"stamp"`
	Applied uint64 `json:"applied"` // by the node, when it was asked
	Lease   bool   `json:"lease"`   // the node held one; without, what it serves is marked

	// Of what the entry misses: the purge, or the version that took its place.
	Epoch   uint64    `json:"epoch,omitempty"`
	Mode    string    `json:"mode,omitempty"`
	At      time.Time `json:"at,omitzero"`
	StaleMS int64     `json:"stale_ms"` // since then

	// Of content: the entity tags of what is held, and of what the origin has now, empty where that has nothing.
	Held    string `json:"held,omitempty"`
	Current string `json:"current,omitempty"`
}

// NodeReport is what was found on one node.
type NodeReport struct {
	Node   string `json:"node"`
	Tier   string `json:"tier"`
	Region string `json:"region"`

	Entries    int64 `json:"entries"`    // that it holds
	Judged     int64 `json:"judged"`     // of them: responses, for whose keys clients get a reply
	Served     int64 `json:"served"`     // of those: they are that reply; the others would be fetched anew
	Compared   int64 `json:"compared"`   // of those: their content was compared with the origin's too
	Partly     int64 `json:"partly"`     // of those served: stamped before the log begins, so that older purges are not known
	Unreadable int64 `json:"unreadable"` // values that are no entries
	Violations int64 `json:"violations"`

	// Problem says why not all of it was audited; empty: it was.
	Problem string `json:"problem,omitempty"`
}

// Report is the outcome of an audit.
type Report struct {
	Began    time.Time    `json:"began"`
	TookMS   int64        `json:"took_ms"`
	WithinMS int64        `json:"within_ms"`
	Nodes    []NodeReport `json:"nodes"`

	Judged     int64 `json:"judged"`
	Served     int64 `json:"served"`
	Partly     int64 `json:"partly"`
	Violations int64 `json:"violations"`
	// Whole: every node was audited.
	Whole bool `json:"whole"`

	// Current is the share of the replies to requests for the keys of what was judged that would be current, and AtLeast
	// what it is at least with 95 % confidence, taking them for a sample of all that the fleet replies.
	Current float64 `json:"current"`
	AtLeast float64 `json:"at_least"`
	// Nines and NinesAtLeast are the same in nines: 3.5 for 99.97 %. Nines is 0 without violations, when there is no
	// end to them.
	Nines        float64 `json:"nines,omitempty"`
	NinesAtLeast float64 `json:"nines_at_least"`
}

// sum completes the report.
func (r *Report) sum(now time.Time) {
	r.TookMS, r.Whole = now.Sub(r.Began).Milliseconds(), true
	for i := range r.Nodes {
		n := &r.Nodes[i]
		r.Judged += n.Judged
		r.Served += n.Served
		r.Partly += n.Partly
		r.Violations += n.Violations
		r.Whole = r.Whole && n.Problem == ""
	}
	bad := upper(r.Violations, r.Judged)
	r.AtLeast, r.NinesAtLeast = 1-bad, nines(bad)
	if r.Judged > 0 {
		share := float64(r.Violations) / float64(r.Judged)
		r.Current = 1 - share
		if r.Violations > 0 {
			r.Nines = nines(share)
		}
	}
}
