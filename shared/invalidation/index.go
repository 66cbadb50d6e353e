package invalidation

import (
	"sync/atomic"

	"tiercache/shared/object"
)

// DefaultCapacity is how many scopes an index holds unless told otherwise.
const DefaultCapacity = 1 << 18

// Index knows the last hard and the last soft purge of each scope. One goroutine writes, any number read.
//
// INVARIANT: a reader that loads Applied, then calls Check, is answered by an index that holds every purge up to
// what Applied said, and perhaps later ones. For that the writer enters a purge first and publishes its epoch by
// Advance afterwards; so a reader may only be stricter than what it passes on.
type Index struct {
	applied  atomic.Uint64
	table    atomic.Pointer[table]
	capacity int
	all      object.Scope // AllScope
}

// NewIndex returns an empty index for capacity scopes; 0 means DefaultCapacity. Memory is used as it fills: up
// to 100 bytes a scope.
func NewIndex(capacity int) *Index {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	x := &Index{capacity: capacity, all: AllScope()}
	x.table.Store(newTable(capacity))
	return x
}

// Applied is the epoch up to which every purge is in the index.
func (x *Index) Applied() uint64 { return x.applied.Load() }

// Check says whether a response with that stamp and those scopes still stands. It does not allocate and may be
// called by any goroutine.
func (x *Index) Check(stamp uint64, scopes []object.Scope) Verdict {
	t := x.table.Load()
	if stamp >= t.newest.Load() {
		return Live // no purge is that new
	}
	verdict := Live
	if t.inHole(stamp) {
		return Dead
	}
	for i := range scopes {
		hard, soft := t.lookup(&scopes[i])
		if stamp < hard {
			return Dead
		}
		if stamp < soft {
			verdict = Stale
		}
	}
	// INVARIANT: floors are loaded after the scopes were looked up, and the writer raises a floor before it
	// evicts. Otherwise a scope could be gone from the table before the floor that stands for it is seen.
	if stamp < t.hardFloor.Load() {
		return Dead
	}
	if stamp < t.softFloor.Load() {
		return Stale
	}
	return verdict
}

// Purge enters a purge of scopes at epoch. Only the writer calls it, and Advance afterwards. To enter one again
// changes nothing, nor does one that is older than what the index has of a scope. A purge of everything raises
// the floor of its mode.
func (x *Index) Purge(epoch uint64, mode Mode, scopes []object.Scope) {
	t := x.table.Load()
	hard, soft := epoch, uint64(0)
	if mode == Soft {
		hard, soft = 0, epoch
	}
	for i := range scopes {
		if scopes[i] == x.all {
			raise(&t.hardFloor, hard)
			raise(&t.softFloor, soft)
			continue
		}
		t.enter(&scopes[i], hard, soft)
	}
	raise(&t.newest, epoch)
}

// Hole makes stamps between from and to dead, without those two: they are of a branch of the log that was lost.
// Only the writer calls it.
func (x *Index) Hole(from, to uint64) {
	t := x.table.Load()
	t.addHole(Hole{From: from, To: to})
	raise(&t.newest, to)
}

// Advance publishes that all purges up to epoch were entered. Only the writer calls it. A lower epoch than before
// changes nothing.
func (x *Index) Advance(epoch uint64) { raise(&x.applied, epoch) }

// Len is how many scopes the index holds. Only the writer calls it.
func (x *Index) Len() int { return x.table.Load().size }

// Floors are the epochs below which a stamp is dead, and stale, whatever its scopes.
func (x *Index) Floors() (hard, soft uint64) {
	t := x.table.Load()
	return t.hardFloor.Load(), t.softFloor.Load()
}

// Oldest is the epoch back to which the index answers exactly: responses with older stamps may be purged that
// need not be, since scopes or holes were evicted for space. 0: as far back as it was filled.
func (x *Index) Oldest() uint64 { return x.table.Load().oldest.Load() }

// raise stores v where it is higher. There is one writer, so nothing comes between.
func raise(a *atomic.Uint64, v uint64) {
	if v > a.Load() {
		a.Store(v)
	}
}
