package l1

// Stats is what a cache holds and what has happened to it since it was made. The
// numbers are read one after the other while the cache is in use.
type Stats struct {
	Entries    int    // values that can be found
	Bytes      int64  // bytes of rings that are allocated; it only grows
	Capacity   int64  // what Bytes grows to
	Hits       uint64 // lookups that found a value
	Misses     uint64 // lookups that found none, collisions apart
	Collisions uint64 // lookups that found another key's value, which are misses too
	Evictions  uint64 // values that had to go to make room: those rejected, those dropped, and main's
	Refused    uint64 // values that were too large

	Promoted   uint64 // values that moved from small to main
	Readmitted uint64 // values that were stored into main at once, because they are remembered
	Rejected   uint64 // values that had to go from small and were not asked for enough for main
	Reinserted uint64 // values that main kept when it was their turn to go
	Dropped    uint64 // values that had earned main, but too many had to move at once
}

// Stats returns the cache's counters. It takes each shard's lock for a moment, so
// it is for metrics and not for requests.
func (c *Cache) Stats() Stats {
	small, main := c.small.Stats(), c.main.Stats()
	s := Stats{
		Entries:    c.small.Len() + c.main.Len(),
		Bytes:      int64(c.small.Capacity() + c.main.Capacity()),
		Capacity:   int64(c.layout.small.ring*c.layout.small.shards) + int64(c.layout.main.ring*c.layout.main.shards),
		Hits:       uint64(small.Hits + main.Hits),
		Collisions: uint64(small.Collisions+main.Collisions) / 2, // Lookup looks twice
		Refused:    c.refused.Load(),
	}
	for i := range c.stripes {
		c.stripes[i].add(&s)
	}
	s.Misses -= min(s.Misses, s.Collisions)
	s.Evictions += s.Rejected + s.Dropped
	return s
}

// add adds what a stripe has counted.
func (s *stripe) add(to *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to.Hits -= s.mu.probes
	to.Misses += s.mu.stats.Misses
	to.Evictions += s.mu.stats.Evictions
	to.Promoted += s.mu.stats.Promoted
	to.Readmitted += s.mu.stats.Readmitted
	to.Rejected += s.mu.stats.Rejected
	to.Reinserted += s.mu.stats.Reinserted
	to.Dropped += s.mu.stats.Dropped
}
