// Package redis keeps a region's stored responses in Redis, a single server or a
// Cluster. It is the only user of go-redis.
//
// It owns how keys are written (key.go: all values of a response share a slot), the
// deadline of every call (store.go), the check of the server's settings that a
// cache needs (check.go), and going through all entries without using them
// (walk.go). A Redis that fails over may lose or bring back values; that is
// harmless, because each entry carries its stamp and checksums and is judged by
// whoever reads it.
//
// It refuses to retry beyond the one attempt that a connection closed while idle
// asks for, to flush, and to be asked while it does not answer: put an
// l2.Breaker in front. Start reading at [New].
package redis
