// Package l1 keeps an edge's stored responses in its own memory, in bigcache,
// within a byte budget. It is the only user of bigcache in the program.
//
// It owns which values stay, which is S3-FIFO over two bigcaches, small and main
// (admission.go), how the budget is laid out (layout.go), and what of bigcache must
// never happen to a caller. bigcache keeps values in rings of bytes, one a shard,
// which the garbage collector does not scan and from which the oldest value falls
// when room is needed. What that asks for, and where it is seen to:
//
//   - a value above a ring's size would empty the ring before it is refused, and a
//     key above 64 KiB would be cut: both are refused before they get there;
//   - a ring grows by doubling with a copy. It starts at its final size divided by a
//     power of two, so that it ends at exactly that size; otherwise it would stop
//     growing early. While one ring grows it takes half as much again;
//   - each shard keeps a buffer as large as the largest value it has seen; buffers
//     count against the budget, and their share bounds the number of shards;
//   - its defaults preallocate tens of MiB, so what it starts with is derived from
//     the budget; an untouched ring takes address space and no memory;
//   - its clean-up goroutine can not be waited for, so there is none: an entry lives
//     until it is evicted, and whether it is fresh is decided by whoever reads it;
//   - its callbacks run under a shard's lock, where the same bigcache must not be
//     called: what has to move is queued, and moved by whoever called Set;
//   - two keys of one 64-bit hash replace each other. The key is compared, so that
//     is a miss; the hash is seeded, so nobody can choose such keys;
//   - a replaced or removed value keeps its bytes until the ring has come round.
//
// What is decided by hash alone, in tables (uses.go, ghost.go), is where a value
// goes, never what is found.
//
// It refuses to look into values and ignores ttl. Start reading at [New], then
// Cache.put.
package l1
