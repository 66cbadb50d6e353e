// Package origin is the tier that owns content: objects by host and path, written through an API and
// read by anybody.
//
// It owns the rules of an object's name (Address), which fields are stored with it (Fields), its
// validators (Object.ETag), conditional writes (Conditions), the HTTP interface and the Store that
// keeps objects. It refuses to cache, to negotiate content and to rewrite a path: the path is the key,
// byte for byte as it was received.
//
// Two interfaces share one listener, and a request belongs to exactly one of them. A request that came
// through a cache or another proxy (it carries Via, CDN-Loop or Tiercache-Tier) is a public read,
// whatever its path. A direct one is for the API if its path begins with /v1/objects/, else it is a
// public read. So no client of an edge can reach the API, even with a token, and an object may have any
// path: one below /v1/objects/ is read through the fleet or by its API name.
//
// Each reply about an object has the epoch of the control log as of which it is known to be current, each
// write the epoch of its own; a write may wait until control knows that every node has applied it.
//
// Start reading at Origin.ServeHTTP, which routes; serveObject is a public read, putObject a write.
package origin
