package l1

import (
	"fmt"

	"tiercache/shared/object"
)

const (
	mib = 1 << 20

	// MinSize is the smallest budget that New takes, in bytes. Below it, a few
	// large values would push out everything else.
	MinSize = 8 * mib

	// maxSize is where the positions in a ring, 32 bits wide, would end.
	maxSize = maxShards << 32

	// wrapping is what bigcache adds to a value: time, hash and the key's length,
	// and up to 5 bytes for the length of it all.
	wrapping = 8 + 8 + 2 + 5

	// maxEntry is the most that one value takes in a ring, key included, and the
	// size to which a shard's buffer grows.
	maxEntry = object.MaxValueSize + object.MaxKeySize + wrapping

	// maxShards bounds the number of locks and of rings that grow apart.
	maxShards = 256

	// buffersShare is the part of the budget (1/n) that shards' buffers may take.
	buffersShare = 12
)

// layout is how a budget is split. Lengths are in bytes unless they say otherwise.
type layout struct {
	shards  int // a power of two
	ringMiB int // all rings together, when they are full-grown
	ring    int // one ring, full-grown
	initial int // one ring at the start: ring divided by a power of two, rounded up
}

// newLayout splits size. The more shards, the less they wait for each other; the
// fewer, the less goes into buffers. INVARIANT: a ring holds at least 8 values of
// the largest size, and starts with room for one.
func newLayout(size int64) (layout, error) {
	if size < MinSize || size > maxSize {
		return layout{}, fmt.Errorf("l1: size of %d bytes is not between %d (8 MiB) and %d", size, MinSize, int64(maxSize))
	}
	l := layout{shards: 1}
	for l.shards < maxShards && int64(2*l.shards)*maxEntry <= size/buffersShare {
		l.shards *= 2
	}
	l.ringMiB = int((size - int64(l.shards)*maxEntry) / mib)
	l.ring = l.ringMiB * mib / l.shards
	l.initial = l.ring
	for l.initial/2 > maxEntry {
		l.initial = (l.initial + 1) / 2
	}
	return l, nil
}
