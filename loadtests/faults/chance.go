package faults

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// chance draws numbers that depend on the seed, on who draws, and on how often it has drawn.
type chance struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func newChance(seed uint64, actor string) *chance {
	h := fnv.New64a()
	_, _ = h.Write([]byte(actor)) // never fails
	return &chance{rand: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// below is one of 0 to n-1.
func (c *chance) below(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.IntN(n)
}

// in reports true n times of a hundred.
func (c *chance) in(n int) bool { return c.below(100) < n }

// between is a time of at least from and less than to.
func (c *chance) between(from, to time.Duration) time.Duration {
	return from + time.Duration(c.below(int(to-from)))
}

// pick is one of a list.
func pick[T any](c *chance, list []T) T { return list[c.below(len(list))] }
