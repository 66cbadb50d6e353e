package invalidation

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"tiercache/shared/object"
)

// ErrSnapshot: the bytes are no snapshot of an index, or damaged.
var ErrSnapshot = errors.New("not a snapshot of an index")

// Snapshot is all that an index knows.
type Snapshot struct {
	Applied    uint64
	Newest     uint64 // of all purges and holes
	Hard, Soft uint64 // the floors
	Oldest     uint64
	Holes      []Hole   // by To
	Purged     []Purged // in the order in which they are evicted: the oldest first
}

// Purged is a scope and the epochs of its last purge of each mode, 0 for none.
type Purged struct {
	Scope      object.Scope
	Hard, Soft uint64
}

func (p *Purged) newest() uint64 { return max(p.Hard, p.Soft) }

// Snapshot copies the index. Only the writer calls it.
func (x *Index) Snapshot() *Snapshot {
	t := x.table.Load()
	s := &Snapshot{
		Applied: x.applied.Load(), Newest: t.newest.Load(),
		Hard: t.hardFloor.Load(), Soft: t.softFloor.Load(), Oldest: t.oldest.Load(),
		Purged: make([]Purged, 0, t.size),
	}
	if holes := t.holes.Load(); holes != nil {
		s.Holes = slices.Clone(*holes)
	}
	t.each(func(at *slot) {
		p := Purged{Hard: at.hard.Load(), Soft: at.soft.Load()}
		binary.LittleEndian.PutUint64(p.Scope[:8], at.key[0].Load())
		binary.LittleEndian.PutUint64(p.Scope[8:], at.key[1].Load())
		s.Purged = append(s.Purged, p)
	})
	return s
}

// Restore replaces what the index knows. Only the writer calls it. When the snapshot has more scopes than the
// index has room for, the oldest are evicted as usual.
//
// INVARIANT: the table is swapped first, then what is applied is published: a reader between the two has the
// purges of the snapshot and passes on an older epoch. Readers that run meanwhile have one table or the other,
// whole. The snapshot must not be older than the index: see Replica.Restore in package controllog.
func (x *Index) Restore(s *Snapshot) {
	t := newTable(x.capacity)
	t.hardFloor.Store(s.Hard)
	t.softFloor.Store(s.Soft)
	t.oldest.Store(s.Oldest)
	t.newest.Store(max(s.Newest, s.Hard, s.Soft))
	for _, h := range s.Holes {
		t.addHole(h)
		raise(&t.newest, h.To)
	}
	for i := range s.Purged {
		p := &s.Purged[i]
		t.enter(&p.Scope, p.Hard, p.Soft)
		raise(&t.newest, p.newest())
	}
	t.stepped = x.table.Load().stepped
	x.table.Store(t)
	t.step()
	x.applied.Store(s.Applied)
	t.step()
}

// Version 1 of a snapshot, all numbers little-endian:
//
//	 0  "TCX" 1
//	 4  number of holes, number of purged scopes, 4 each
//	12  applied, newest, hard floor, soft floor, oldest, 8 each
//	    holes: from, to, 8 each
//	    purged: scope, 16; hard, soft, 8 each
//	    checksum (xxHash64) of all of the above, 8
const (
	snapshotMagic  = "TCX\x01"
	snapshotFixed  = 12 + 5*8
	holeSize       = 16
	purgedSize     = 32
	checksumSize   = 8
	offHoleCount   = 4
	offPurgedCount = 8
)

// AppendBinary appends the encoded snapshot to dst. The error is always nil; it is there for
// encoding.BinaryAppender.
func (s *Snapshot) AppendBinary(dst []byte) ([]byte, error) {
	start, order := len(dst), binary.LittleEndian
	dst = slices.Grow(dst, snapshotFixed+len(s.Holes)*holeSize+len(s.Purged)*purgedSize+checksumSize)
	dst = append(dst, snapshotMagic...)
	dst = order.AppendUint32(dst, uint32(len(s.Holes)))
	dst = order.AppendUint32(dst, uint32(len(s.Purged)))
	for _, v := range []uint64{s.Applied, s.Newest, s.Hard, s.Soft, s.Oldest} {
		dst = order.AppendUint64(dst, v)
	}
	for _, h := range s.Holes {
		dst = order.AppendUint64(order.AppendUint64(dst, h.From), h.To)
	}
	for i := range s.Purged {
		p := &s.Purged[i]
		dst = append(dst, p.Scope[:]...)
		dst = order.AppendUint64(order.AppendUint64(dst, p.Hard), p.Soft)
	}
	return order.AppendUint64(dst, xxhash.Sum64(dst[start:])), nil
}

// DecodeSnapshot reads what AppendBinary wrote; b is the snapshot and nothing else. ErrSnapshot when it is not, or
// damaged. The result does not alias b.
func DecodeSnapshot(b []byte) (*Snapshot, error) {
	order := binary.LittleEndian
	if len(b) < snapshotFixed+checksumSize || string(b[:len(snapshotMagic)]) != snapshotMagic {
		return nil, fmt.Errorf("%w: of a version that is known", ErrSnapshot)
	}
	holes, purged := uint64(order.Uint32(b[offHoleCount:])), uint64(order.Uint32(b[offPurgedCount:]))
	if uint64(len(b)) != snapshotFixed+holes*holeSize+purged*purgedSize+checksumSize {
		return nil, fmt.Errorf("%w: %d bytes for %d holes and %d scopes", ErrSnapshot, len(b), holes, purged)
	}
	end := len(b) - checksumSize
	if xxhash.Sum64(b[:end]) != order.Uint64(b[end:]) {
		return nil, fmt.Errorf("%w: checksum", ErrSnapshot)
	}
	s := &Snapshot{}
	b = b[offPurgedCount+4 : end]
	for _, v := range []*uint64{&s.Applied, &s.Newest, &s.Hard, &s.Soft, &s.Oldest} {
		*v, b = order.Uint64(b), b[8:]
	}
	if holes > 0 {
		s.Holes = make([]Hole, holes)
	}
	for i := range s.Holes {
		s.Holes[i], b = Hole{From: order.Uint64(b), To: order.Uint64(b[8:])}, b[holeSize:]
	}
	s.Purged = make([]Purged, purged)
	for i := range s.Purged {
		s.Purged[i] = Purged{Scope: object.Scope(b[:16]), Hard: order.Uint64(b[16:]), Soft: order.Uint64(b[24:])}
		b = b[purgedSize:]
	}
	return s, nil
}
