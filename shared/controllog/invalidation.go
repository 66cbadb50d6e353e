package controllog

// Limits of one Invalidation.
const (
	// MaxInvalidation is how many URLs and groups it may name.
	MaxInvalidation = 1000
	// MaxInvalidationSize bounds it, in bytes of JSON.
	MaxInvalidationSize = 2 << 20
)

// Invalidation is what a node asks control to purge, since responses to unsafe methods have made it invalid (RFC
// 9111, 4.4): of one service, URLs and cache groups of its hosts. It travels as JSON.
type Invalidation struct {
	Node    string `json:"node"`
	Service string `json:"service"`
	URLs    []URL  `json:"urls,omitempty"`
	// Groups are tags, as invalidation.GroupTag and AnyGroupTag make them.
	Groups []string `json:"groups,omitempty"`
}

// InvalidationReply answers an Invalidation that was committed.
type InvalidationReply struct {
	ID string `json:"id"`
	// Epoch is that of the purge's entry; 0 while it has none.
	Epoch uint64 `json:"epoch"`
}
