// Package proxy is the caching proxy that the edge and the regional tier both run, over two stores.
//
// The life of a request: Serve checks it and finds its service; cached.go looks the key up and lets
// shared/httpcache decide; a usable response is served (reply.go); else the request joins a flight, whose
// leader runs a fill (fill.go) that streams to all waiters while it stores (stream.go). Methods that are
// not cached and responses that may not be shared go straight through (pass.go).
//
// The package owns no listener and no connection: requests come in as an Exchange, go out through an
// Upstream, and stored responses live in an object.Store. It never decides by itself whether something
// is fresh or storable.
package proxy
