package invalidation

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"tiercache/shared/object"
)

// table is the content of an index: a set-associative hash table of fixed size. A scope has two groups of 8 slots
// and is in the emptier one as of when it was entered, so that at half load no group is ever full in practice.
// A lookup compares the 16-bit fingerprints of both groups, each in one cache line, and touches a slot only when
// one matches: an empty table costs what a full one does. A Go map would need a lock or a copy for each
// purge; an open-addressing table would need long probes or tombstones.
//
// The writer alone uses the fields of the second block.
type table struct {
	newest    atomic.Uint64 // the highest epoch of any purge or end of a hole
	hardFloor atomic.Uint64 // stamps below are dead
	softFloor atomic.Uint64 // stamps below are stale
	oldest    atomic.Uint64 // the highest epoch that was folded into a floor for lack of space
	holes     atomic.Pointer[[]Hole]
	mask      uint64   // number of groups - 1; constant
	prints    []prints // per group
	slots     []slot   // per group 8

	size     int
	capacity int
	queue    queue
	stepped  func() // by tests; nil otherwise
}

// prints are the fingerprints of a group's slots, 4 a word; 0: the slot is empty.
type prints [groupWords]atomic.Uint64

// slot is one scope. It is valid while its fingerprint is set.
type slot struct {
	key        [2]atomic.Uint64
	hard, soft atomic.Uint64
}

const (
	groupSlots = 8
	groupWords = 2
	lanes      = groupSlots / groupWords
	laneBits   = 16
	laneMax    = 1<<laneBits - 1
	laneOnes   = 0x0001_0001_0001_0001
	laneHighs  = 0x8000_8000_8000_8000
)

func newTable(capacity int) *table {
	groups := 2
	for groups*groupSlots < 2*capacity {
		groups *= 2
	}
	return &table{
		mask:     uint64(groups - 1),
		prints:   make([]prints, groups),
		slots:    make([]slot, groups*groupSlots),
		capacity: capacity,
		queue:    newQueue(capacity),
	}
}

// place is where a scope may be.
type place struct {
	key    [2]uint64
	print  uint64
	groups [2]uint64 // never the same one twice
}

// step marks a point between two stores at which the order of the two matters.
func (t *table) step() {
	if t.stepped != nil {
		t.stepped()
	}
}

// placeOf reads the place from the scope, which is a hash: its bits need no further mixing.
func (t *table) placeOf(s *object.Scope) place {
	a, b := binary.LittleEndian.Uint64(s[:8]), binary.LittleEndian.Uint64(s[8:])
	p := place{key: [2]uint64{a, b}, print: b >> (64 - laneBits)}
	if p.print == 0 {
		p.print = 1
	}
	p.groups[0] = a & t.mask
	p.groups[1] = (a >> 32) & t.mask
	if p.groups[0] == p.groups[1] {
		p.groups[1] ^= 1
	}
	return p
}

// lookup returns the epochs of the last hard and the last soft purge of a scope; 0 for none. Any goroutine may
// call it. When the scope is evicted meanwhile the result may be 0, or too new; the floors, which the caller
// loads afterwards, make up for the first.
func (t *table) lookup(s *object.Scope) (hard, soft uint64) {
	p := t.placeOf(s)
	a, b := &t.prints[p.groups[0]], &t.prints[p.groups[1]]
	if matches(a[0].Load(), p.print)|matches(a[1].Load(), p.print)|matches(b[0].Load(), p.print)|matches(b[1].Load(), p.print) == 0 {
		return 0, 0 // almost always, and without a branch for each word
	}
	at, _ := t.find(&p)
	if at == nil {
		return 0, 0
	}
	return at.hard.Load(), at.soft.Load()
}

// find is the slot of a scope and its number, nil when it is not in the table. Any goroutine may call it.
func (t *table) find(p *place) (*slot, uint64) {
	for _, g := range p.groups {
		words := &t.prints[g]
		for w := range words {
			for match := matches(words[w].Load(), p.print); match != 0; match &= match - 1 {
				i := g*groupSlots + uint64(w)*lanes + lane(match)
				at := &t.slots[i]
				if at.key[0].Load() == p.key[0] && at.key[1].Load() == p.key[1] {
					return at, i
				}
			}
		}
	}
	return nil, 0
}

// matches has the highest bit set of each lane of word that equals print, and perhaps of others above such a one.
func matches(word, print uint64) uint64 {
	x := word ^ print*laneOnes
	return (x - laneOnes) &^ x & laneHighs
}

// lane is the number of the lowest lane that has its highest bit set.
func lane(highs uint64) uint64 { return uint64(bits.TrailingZeros64(highs)) / laneBits }

// enter raises the epochs of a scope, making room for it when it is new.
func (t *table) enter(s *object.Scope, hard, soft uint64) {
	p := t.placeOf(s)
	at, i := t.find(&p)
	if at == nil {
		i = t.makeRoom(&p)
		t.fill(i, &p, hard, soft)
		t.size++
		t.push(i)
		return
	}
	// INVARIANT: each mode has its own epoch, so that a soft purge after a hard one does not bring back what the
	// hard one killed.
	before := at.newest()
	raise(&at.hard, hard)
	raise(&at.soft, soft)
	if at.newest() > before {
		t.push(i) // it is the youngest now; its older record in the queue is void
	}
}

// fill makes an empty slot that of a scope. Readers that still have the fingerprint of the scope that was there may
// see any mix of the two. That does no harm: the floors stand for the old scope and for all older purges of the new
// one, and its new purge is not published yet. At worst the old scope's last check is too strict.
func (t *table) fill(i uint64, p *place, hard, soft uint64) {
	at := &t.slots[i]
	at.hard.Store(hard)
	at.soft.Store(soft)
	at.key[0].Store(p.key[0])
	at.key[1].Store(p.key[1])
	t.setPrint(i, p.print)
}

// evict forgets the scope of a slot.
//
// INVARIANT: floors first. A reader that misses the scope loads the floors after it looked, so it sees them raised.
func (t *table) evict(i uint64) {
	at := &t.slots[i]
	hard, soft := at.hard.Load(), at.soft.Load()
	if hard > t.hardFloor.Load() {
		t.hardFloor.Store(hard)
		raise(&t.oldest, hard)
	}
	if soft > max(t.softFloor.Load(), t.hardFloor.Load()) {
		t.softFloor.Store(soft)
		raise(&t.oldest, soft)
	}
	t.step()
	t.setPrint(i, 0)
	t.step()
	t.size--
}

// makeRoom returns an empty slot for a new scope, evicting the oldest of all when the table is full, and the
// oldest of both groups should they be full.
func (t *table) makeRoom(p *place) uint64 {
	for t.size >= t.capacity {
		t.evictOldest()
	}
	a, b := t.freeSlots(p.groups[0]), t.freeSlots(p.groups[1])
	if a.count == 0 && b.count == 0 {
		i := t.oldestOf(p)
		t.evict(i)
		return i
	}
	if a.count >= b.count {
		return a.first
	}
	return b.first
}

// oldestOf is the slot whose scope was purged the longest ago, of two groups that are full.
func (t *table) oldestOf(p *place) uint64 {
	found := p.groups[0] * groupSlots
	for _, g := range p.groups {
		for i := g * groupSlots; i < (g+1)*groupSlots; i++ {
			if t.slots[i].newest() < t.slots[found].newest() {
				found = i
			}
		}
	}
	return found
}

// free is the empty slots of a group; count may be too high by a little, since matches may.
type free struct {
	count int
	first uint64
}

func (t *table) freeSlots(group uint64) free {
	var f free
	words := &t.prints[group]
	for w := groupWords - 1; w >= 0; w-- {
		if empty := matches(words[w].Load(), 0); empty != 0 {
			f.count += bits.OnesCount64(empty)
			f.first = group*groupSlots + uint64(w)*lanes + lane(empty)
		}
	}
	return f
}

// used reports whether a slot has a scope.
func (t *table) used(i uint64) bool {
	return t.word(i).Load()>>(i%lanes*laneBits)&laneMax != 0
}

// setPrint stores a slot's fingerprint and leaves those beside it alone.
func (t *table) setPrint(i, print uint64) {
	word, shift := t.word(i), i%lanes*laneBits
	word.Store(word.Load()&^(laneMax<<shift) | print<<shift)
}

// word has the fingerprint of a slot.
func (t *table) word(i uint64) *atomic.Uint64 { return &t.prints[i/groupSlots][i%groupSlots/lanes] }

// newest is the epoch of the last purge.
func (s *slot) newest() uint64 { return max(s.hard.Load(), s.soft.Load()) }
