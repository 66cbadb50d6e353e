package l1

import (
	"fmt"
	"math/bits"

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

	// buffersShare is the part of the budget (1/n) that shards' buffers may take,
	// where there is more than one shard.
	buffersShare = 24

	// smallShare is the part of the rings (1/n) that is small's.
	smallShare = 10

	// smallValues is how many values of the largest size a ring of small holds.
	smallValues = 3

	// bytesPerUse and bytesPerGhost are of how many bytes of the budget there is
	// one slot to count uses in, a byte, and one to remember what was given up,
	// 4 bytes: 2.4 % of the budget at most.
	bytesPerUse   = 64
	bytesPerGhost = 512
)

// rings is one bigcache. Lengths are in bytes unless they say otherwise.
type rings struct {
	shards  int // a power of two
	mib     int // all rings together, when they are full-grown
	ring    int // one ring, full-grown
	initial int // one ring at the start: ring divided by a power of two, rounded up
}

// layout is how a budget is split.
type layout struct {
	small, main rings
	uses        int // slots, a power of two
	ghosts      int // slots of each shard of small, a power of two
}

// newLayout splits size. The more shards, the less they wait for each other; the
// fewer, the less goes into buffers.
//
// INVARIANT: a ring of main holds at least 8 values of the largest size, one of
// small smallValues, and each starts with room for one. Small has no more shards
// than main: keys of one shard of main are of one shard of small.
func newLayout(size int64) (layout, error) {
	if size < MinSize || size > maxSize {
		return layout{}, fmt.Errorf("l1: size of %d bytes is not between %d (8 MiB) and %d", size, MinSize, int64(maxSize))
	}
	l := layout{uses: powerOfTwo(size / bytesPerUse), ghosts: powerOfTwo(size / bytesPerGhost)}
	l.small.shards, l.main.shards = 1, 1
	for l.main.shards < maxShards && int64(3*l.main.shards)*maxEntry <= size/buffersShare { // twice as many, and half as many for small
		l.main.shards *= 2
	}
	for 4*l.small.shards <= l.main.shards && int64(2*l.small.shards*smallValues)*maxEntry <= size*9/10/smallShare {
		l.small.shards *= 2
	}
	rest := size - int64(l.uses) - int64(l.ghosts*4) - int64(l.small.shards+l.main.shards)*maxEntry
	l.small.mib = int(rest/smallShare+mib/2) / mib
	l.small.mib = max(l.small.mib, (l.small.shards*smallValues*maxEntry+mib-1)/mib)
	l.main.mib = int(rest/mib) - l.small.mib
	l.ghosts /= l.small.shards
	l.small.lay()
	l.main.lay()
	return l, nil
}

// lay derives the lengths of rings from how many there are and what they are together.
func (r *rings) lay() {
	r.ring = r.mib * mib / r.shards
	r.initial = r.ring
	for r.initial/2 > maxEntry {
		r.initial = (r.initial + 1) / 2
	}
}

// powerOfTwo is the largest one that is not above n.
func powerOfTwo(n int64) int { return 1 << (bits.Len64(uint64(n)) - 1) }
