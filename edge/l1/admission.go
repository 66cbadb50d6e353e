package l1

import (
	"errors"
	"sync"

	"github.com/allegro/bigcache/v3"

	"tiercache/shared/object"
)

// stripe is one shard of small and those shards of main whose keys are of it too. All
// moves stay within a stripe, so its lock orders everything that happens to a key.
type stripe struct {
	ghost ghost // entries that were given up by small, or removed although they were in use
	mu    struct {
		sync.Mutex
		queue  []move // what left a ring and goes to main; empty when the lock is free
		queued int    // bytes of it
		sizes  int    // bytes of the last window values that came to small, older ones fading
		stats  Stats  // of what is counted here
		probes uint64 // lookups that found a value and are not a caller's
	}
}

// move is a value on its way to main. The copy of its bytes is bigcache's.
type move struct {
	key   string
	value []byte
	why   why
}

// why is why a value goes to main.
type why uint8

const (
	promoted   why = iota // from small: it was asked for again, or main has room
	reinserted            // from main: it was asked for since it was last put there
	underWay              // from small: a segment, if its entry is still to come
)

const (
	// maxQueued bounds the queue of a stripe, in bytes. One value that is stored pushes
	// out about as many bytes as it takes, one that moves as well.
	maxQueued = 4 * maxEntry

	// maxMoves and maxMoved bound what one Store moves, in values and in bytes: where all
	// of main is in use, something in use has to go. Also not more than 1/movedShare of a
	// ring, so that what was just stored stays.
	maxMoves   = 64
	maxMoved   = 2 * mib
	movedShare = 4

	// window is over how many values their mean size is taken.
	window = 256
)

func (c *Cache) stripe(hash uint64) *stripe { return &c.stripes[hash&uint64(len(c.stripes)-1)] }

// digest returns the hash by which an object is remembered, and whether the key is that
// of its entry: segments have keys of their own with each fill.
func (c *Cache) digest(hash uint64, key string) (digest uint64, entry bool) {
	if len(key) <= object.EntryKeySize {
		return hash, true
	}
	return c.hasher.Sum64(key[:object.EntryKeySize]), false
}

// put stores a value where it belongs. The caller holds the stripe's lock.
func (c *Cache) put(s *stripe, hash uint64, key string, value []byte) error {
	digest, entry := c.digest(hash, key)
	toMain := c.uses.inMain(hash) && s.probe(c.main, key)
	if !toMain && c.stripe(digest).ghost.has(digest) {
		toMain = true
		s.mu.stats.Readmitted++
		if entry { // it is stored last
			c.stripe(digest).ghost.forget(digest)
		}
	}
	target, other := c.small, c.main
	if toMain {
		target, other = other, target
	} else {
		s.mu.sizes += sizeOf(key, value) - s.mu.sizes/window
	}
	c.uses.place(hash, toMain)
	if err := target.Set(key, value); err != nil {
		return err
	}
	// Only now, so that a lookup meanwhile finds the old value and not none; and before
	// anything moves, which may have the same hash.
	if err := removed(other.Delete(key)); err != nil {
		return err
	}
	return c.settle(s)
}

// remove deletes a value. The caller holds the stripe's lock.
func (c *Cache) remove(hash uint64, key string) error {
	inUse := c.uses.clear(hash)
	err1, err2 := c.small.Delete(key), c.main.Delete(key)
	// What was in use will be fetched again, and then needs no second trial. Where an
	// entry goes because segments are missing, it had not enough room in small.
	if digest, entry := c.digest(hash, key); entry && inUse && (err1 == nil || err2 == nil) {
		c.stripe(digest).ghost.add(digest)
	}
	return errors.Join(removed(err1), removed(err2))
}

// removed makes no error of a value that was not there.
func removed(err error) error {
	if errors.Is(err, bigcache.ErrEntryNotFound) {
		return nil
	}
	return err
}

// probe is whether a cache has a value under the key. The caller holds the lock.
func (s *stripe) probe(in *bigcache.BigCache, key string) bool {
	_, err := in.Get(key)
	if err == nil {
		s.mu.probes++
	}
	return err == nil
}

// leftSmall judges what has to go from small. It runs under a lock of small's, within a
// Store that holds the stripe's.
func (c *Cache) leftSmall(key string, value []byte, _ bigcache.RemoveReason) {
	hash := c.hasher.Sum64(key)
	s := c.stripe(hash)
	s.ghost.pass(sizeOf(key, value))
	used := c.uses.leftSmall(hash)
	digest, entry := c.digest(hash, key)
	switch {
	case !c.full[hash&uint64(len(c.full)-1)], used >= s.worth(sizeOf(key, value)):
		s.push(move{key, value, promoted})
	case entry:
		s.ghost.add(digest)
		s.mu.stats.Rejected++
	default:
		s.push(move{key, value, underWay})
	}
}

// worth is how often a value of some size must have been asked for while it was in small to
// go to main: for the room of one large value there are many small ones.
func (s *stripe) worth(size int) int {
	switch mean := s.mu.sizes / window; {
	case 2*size <= mean:
		return 1
	case size > 4*mean:
		return 3
	}
	return 2
}

// leftMain judges what has to go from main. It runs under a lock of main's, within a Store
// that holds the stripe's.
func (c *Cache) leftMain(key string, value []byte, _ bigcache.RemoveReason) {
	hash := c.hasher.Sum64(key)
	s := c.stripe(hash)
	c.full[hash&uint64(len(c.full)-1)] = true
	if c.uses.leftMain(hash) {
		s.push(move{key, value, reinserted})
		return
	}
	c.uses.place(hash, false)
	s.mu.stats.Evictions++
}

// push queues a value for main, or gives it up. The caller holds the lock.
func (s *stripe) push(m move) {
	if s.mu.queued+len(m.value) > maxQueued {
		s.mu.stats.Dropped++
		return
	}
	s.mu.queued += len(m.value)
	s.mu.queue = append(s.mu.queue, m)
}

// settle puts what is queued into main, where others may have to go for it and be queued in
// turn. Bigcache's callbacks cannot: they run under the lock of a shard. The caller holds
// the stripe's lock.
func (c *Cache) settle(s *stripe) error {
	defer s.empty()
	moves, room := maxMoves, min(maxMoved, c.layout.main.ring/movedShare)
	for i := 0; i < len(s.mu.queue); i++ {
		m := s.mu.queue[i]
		s.mu.queue[i] = move{}
		s.mu.queued -= len(m.value)
		if m.why == underWay && !c.underWay(s, m.key) {
			s.mu.stats.Rejected++
			continue
		}
		hash := c.hasher.Sum64(m.key)
		moves, room = moves-1, room-len(m.value)
		if moves < 0 || room < 0 {
			c.uses.clear(hash)
			s.mu.stats.Dropped++
			continue
		}
		c.uses.place(hash, true)
		if err := c.main.Set(m.key, m.value); err != nil {
			return err
		}
		if m.why == reinserted {
			s.mu.stats.Reinserted++
		} else {
			s.mu.stats.Promoted++
		}
	}
	return nil
}

// empty makes the queue ready for the next Store.
func (s *stripe) empty() {
	clear(s.mu.queue)
	s.mu.queue, s.mu.queued = s.mu.queue[:0], 0
}

// underWay is whether the segment's fill is not over: its entry was not stored yet, so readers
// of the fill may still want it.
func (c *Cache) underWay(s *stripe, segment string) bool {
	entry := segment[:object.EntryKeySize]
	digest := c.hasher.Sum64(entry)
	return !c.stripe(digest).ghost.has(digest) && !s.probe(c.small, entry) && !s.probe(c.main, entry)
}

// sizeOf is what a value takes in a ring.
func sizeOf(key string, value []byte) int { return len(key) + len(value) + wrapping }
