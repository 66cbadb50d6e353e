package l1

import "sync"

// ghost remembers for a while what was given up: 16 bits of a hash, so that one in some ten thousand that was never there
// is taken for remembered. While is measured in bytes that went since; what is older, or pushed out by newer ones when the
// table is full, is forgotten.
type ghost struct {
	unit uint64 // bytes a tick of the clock; lifetime ticks are the memory
	mu   struct {
		sync.Mutex
		gone  uint64   // bytes that went
		slots []uint32 // buckets of ways: 16 bits of the hash, not 0, and the tick at which it was added
	}
}

const (
	ways     = 4
	lifetime = 1 << 12 // ticks, far below the 1 << 16 after which the clock comes round
)

// open gives it n slots, a power of two, at least ways, and a memory of so many bytes.
func (g *ghost) open(n int, memory int64) {
	g.unit = uint64(max(memory/lifetime, 1))
	g.mu.slots = make([]uint32, n)
}

// pass says that so many bytes went.
func (g *ghost) pass(bytes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.gone += uint64(bytes)
}

// add remembers, in place of the oldest of its bucket where that is full.
func (g *ghost) add(hash uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	bucket, mark := g.bucket(hash)
	oldest := 0
	for i := range bucket {
		if bucket[i]>>16 == mark || bucket[i] == 0 {
			oldest = i
			break
		}
		if g.age(bucket[i]) > g.age(bucket[oldest]) {
			oldest = i
		}
	}
	bucket[oldest] = mark<<16 | uint32(g.tick())
}

// has is whether it is remembered.
func (g *ghost) has(hash uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	bucket, mark := g.bucket(hash)
	for _, slot := range bucket {
		if slot>>16 == mark && g.age(slot) <= lifetime {
			return true
		}
	}
	return false
}

// forget drops it.
func (g *ghost) forget(hash uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	bucket, mark := g.bucket(hash)
	for i := range bucket {
		if bucket[i]>>16 == mark {
			bucket[i] = 0
		}
	}
}

// bucket returns where a hash belongs, and its mark there. The caller holds mu.
func (g *ghost) bucket(hash uint64) ([]uint32, uint32) {
	buckets := uint64(len(g.mu.slots) / ways)
	i := hash >> 32 & (buckets - 1) * ways
	return g.mu.slots[i : i+ways], uint32(max(hash>>16&0xffff, 1))
}

func (g *ghost) tick() uint16 { return uint16(g.mu.gone / g.unit) }

func (g *ghost) age(slot uint32) uint16 { return g.tick() - uint16(slot) }
