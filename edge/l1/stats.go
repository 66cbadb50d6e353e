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
	Evictions  uint64 // values that had to go to make room
	Refused    uint64 // values that were too large
}

// Stats returns the cache's counters. It takes each shard's lock for a moment, so
// it is for metrics and not for requests.
func (c *Cache) Stats() Stats {
	s := c.cache.Stats()
	return Stats{
		Entries:    c.cache.Len(),
		Bytes:      int64(c.cache.Capacity()),
		Capacity:   int64(c.layout.ring) * int64(c.layout.shards),
		Hits:       uint64(s.Hits),
		Misses:     uint64(s.Misses),
		Collisions: uint64(s.Collisions),
		Evictions:  c.evictions.Load(),
		Refused:    c.refused.Load(),
	}
}
