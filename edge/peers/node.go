package peers

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"time"
)

// node is one regional node as this edge sees it.
type node struct {
	addr string
	own  bool // in the edge's region
	seed uint64

	failures  atomic.Int32
	downUntil atomic.Int64 // Unix ns
}

// score is the node's weight for a key in rendezvous hashing: the highest owns it, and a node that
// comes or goes moves only the keys that are its own.
func (n *node) score(digest [16]byte) uint64 {
	key := binary.LittleEndian.Uint64(digest[:8]) ^ n.seed
	hi, lo := bits.Mul64(key|1, 0x9e3779b97f4a7c15)
	hi2, lo2 := bits.Mul64(hi^lo^binary.LittleEndian.Uint64(digest[8:]), 0xd6e8feb86659fd93)
	return hi2 ^ lo2
}

func (n *node) down(now time.Time) bool { return now.UnixNano() < n.downUntil.Load() }

// failed passes the node over for a while, longer with each failure in a row. Requests that fail at once
// are one failure: the first of them sets the end of the pause.
func (n *node) failed(now time.Time) {
	until := n.downUntil.Load()
	if now.UnixNano() < until {
		return
	}
	backoff := min(firstBackoff<<min(n.failures.Load(), 8), lastBackoff)
	if n.downUntil.CompareAndSwap(until, now.Add(backoff).UnixNano()) {
		n.failures.Add(1)
	}
}

// silent passes the node over until a ping is answered: pings are more frequent than the pause is long.
func (n *node) silent(now time.Time) {
	n.failures.CompareAndSwap(0, 1)
	n.downUntil.Store(now.Add(lastBackoff).UnixNano())
}

func (n *node) answered() {
	if n.failures.Load() != 0 {
		n.failures.Store(0)
		n.downUntil.Store(0)
	}
}
