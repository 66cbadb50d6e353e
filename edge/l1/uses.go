package l1

import (
	"math/bits"
	"sync/atomic"
)

// uses has a byte for each of a fixed number of slots; a key's slot is told by its hash. It has how often a value was
// found in small and how often in main, up to a few times, and whether it was put into main. Keys that share a slot share
// its bits: what they decide may be judged wrong for it, never found wrong. The counts are apart, so that what is asked for
// most, and so is in main, does not lift what shares its slot out of small. Any goroutine may call its methods.
type uses struct {
	words []atomic.Uint32 // slotsPerWord slots each
	shift int             // of a hash, so that what is left of it numbers the slots
}

const (
	slotsPerWord = 4
	slotBits     = 32 / slotsPerWord

	// The bits of a slot.
	smallOne  = 1 << 0 // one use in small
	smallUses = 3 << 0 // uses in small, 3 at most
	mainOne   = 1 << 2
	mainUses  = 7 << 2 // uses in main, 7 at most
	placed    = 1 << 5 // the value was put into main
)

// newUses has n slots, a power of two, at least slotsPerWord.
func newUses(n int) uses {
	return uses{words: make([]atomic.Uint32, n/slotsPerWord), shift: 64 - bits.TrailingZeros(uint(n))}
}

func (u uses) at(hash uint64) (word *atomic.Uint32, shift int) {
	slot := hash >> u.shift
	return &u.words[slot/slotsPerWord], int(slot%slotsPerWord) * slotBits
}

// count says that a value was found, in main or in small. It never waits: of two who count at once in one word, one may
// be lost.
func (u uses) count(hash uint64, main bool) {
	all, one := uint32(smallUses), uint32(smallOne)
	if main {
		all, one = mainUses, mainOne
	}
	word, shift := u.at(hash)
	if old := word.Load(); old>>shift&all != all {
		word.CompareAndSwap(old, old+one<<shift)
	}
}

// inMain is whether the value, if there is one, is more likely to be in main.
func (u uses) inMain(hash uint64) bool {
	word, shift := u.at(hash)
	return word.Load()>>shift&placed != 0
}

// place notes where a value was put.
func (u uses) place(hash uint64, main bool) {
	u.change(hash, func(slot uint32) uint32 {
		if main {
			return slot | placed
		}
		return slot &^ placed
	})
}

// leftSmall returns how often a value was found in small, and forgets it.
func (u uses) leftSmall(hash uint64) int {
	return int(u.change(hash, func(slot uint32) uint32 { return slot &^ smallUses }) & smallUses / smallOne)
}

// leftMain returns whether a value was found in main since it was last put there, or more often than it was put back.
// It takes one off.
func (u uses) leftMain(hash uint64) bool {
	was := u.change(hash, func(slot uint32) uint32 {
		if slot&mainUses != 0 {
			slot -= mainOne
		}
		return slot
	})
	return was&mainUses != 0
}

// clear forgets all about a value, and returns whether it was found ever or put into main.
func (u uses) clear(hash uint64) bool {
	return u.change(hash, func(uint32) uint32 { return 0 }) != 0
}

// change puts what to makes of a slot in its place, and returns what it was.
func (u uses) change(hash uint64, to func(slot uint32) uint32) (was uint32) {
	const mask = 1<<slotBits - 1
	word, shift := u.at(hash)
	for {
		old := word.Load()
		was = old >> shift & mask
		if word.CompareAndSwap(old, old&^(mask<<shift)|to(was)<<shift) {
			return was
		}
	}
}
