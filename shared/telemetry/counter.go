package telemetry

import (
	"sync/atomic"
	"unsafe"
)

// counterCells is how many cells a Counter spreads its additions over; a power of two.
const counterCells = 8

// Counter is a number that many goroutines add to at once. Each addition goes to one of several
// cells, each on cache lines of its own, so that cores do not fight for one; Load adds the cells up.
// The zero value is 0. A Counter is half a KiB to one KiB in size and must not be copied.
type Counter struct {
	cells [counterCells]cell
}

// cell fills two cache lines: the hardware fetches lines in pairs.
type cell struct {
	n atomic.Uint64
	_ [120]byte
}

// Add adds n.
func (c *Counter) Add(n uint64) {
	c.cells[shard()].n.Add(n)
}

// shard picks a cell by where the calling goroutine's stack lies: stacks of different goroutines are
// kilobytes apart, so goroutines that add at once mostly get different cells, and one goroutine keeps
// to its cell, which stays in its core's cache. A random number would cost more than the contention
// that it avoids, and Go does not tell which core it is on. The address is only a number here: it
// is never turned back into a pointer.
func shard() uintptr {
	var onStack byte
	address := uintptr(unsafe.Pointer(&onStack))
	return (address>>11 ^ address>>15) % counterCells
}

// Load returns the sum of all that was added before the call, and perhaps some of what is added
// during it.
func (c *Counter) Load() uint64 {
	var sum uint64
	for i := range c.cells {
		sum += c.cells[i].n.Load()
	}
	return sum
}
