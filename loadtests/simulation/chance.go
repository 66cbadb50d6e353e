package simulation

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// chance draws numbers that depend on the seed, on who draws, and on how often it has drawn. So the schedule of one
// actor does not depend on when another one draws.
type chance struct{ state atomic.Uint64 }

// newChance is the chance of an actor.
func newChance(seed uint64, actor string) *chance {
	c := &chance{}
	for i := range len(actor) {
		seed = mix(seed ^ uint64(actor[i]))
	}
	c.state.Store(seed)
	return c
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (c *chance) next() uint64 { return mix(c.state.Add(0x9e3779b97f4a7c15)) }

// below is one of 0 to n-1.
func (c *chance) below(n int) int {
	hi, _ := bits.Mul64(c.next(), uint64(n))
	return int(hi)
}

// in reports true n times of a hundred.
func (c *chance) in(n int) bool { return c.below(100) < n }

// between is a time of at least from and less than to.
func (c *chance) between(from, to time.Duration) time.Duration {
	return from + time.Duration(c.next()%uint64(max(to-from, 1)))
}

// pick is one of a list.
func pick[T any](c *chance, list []T) T { return list[c.below(len(list))] }
