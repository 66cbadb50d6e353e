package simulation

import (
	"sync"
	"time"
	"unsafe"
)

// clock is a node's: it runs a little too fast or too slow, and somebody may set it.
type clock struct {
	start time.Time
	drift int64 // in millionths

	mu   sync.Mutex
	step int64 // of the wall clock, in s
	back int64 // of that, how much it was set back
}

// maxDrift is how wrong a clock may run: far more than any does, and less than the margin by which control waits
// longer than a lease lasts.
const maxDrift = 20_000

func newClock(draw *chance) *clock {
	return &clock{start: time.Now(), drift: int64(draw.below(2*maxDrift)) - maxDrift}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := time.Since(c.start)
	passed += time.Duration(int64(passed) * c.drift / 1_000_000)
	return reading(c.start.Add(passed+time.Duration(c.step)*time.Second), passed)
}

// set sets it forward or back, in seconds.
func (c *clock) set(by int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step += by
	c.back += max(-by, 0)
}

// setBack is how much the wall clock was set back, in all.
func (c *clock) setBack() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.back) * time.Second
}

// reading is a time as a machine reads it that has two clocks. In a bubble of testing/synctest times have the wall clock
// alone, and package time makes none of both, since nobody else needs it: this knows the layout of a Time that has.
func reading(wall time.Time, monotonic time.Duration) (t time.Time) {
	const (
		hasMonotonic, secondBits = 1 << 63, 30
		year1885                 = -2682288000 // from which the seconds of such a Time count
	)
	layout := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&t))
	layout.wall = hasMonotonic | uint64(wall.Unix()-year1885)<<secondBits | uint64(wall.Nanosecond())
	layout.ext, layout.loc = int64(monotonic), time.UTC
	return t
}
