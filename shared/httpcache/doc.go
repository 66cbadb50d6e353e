// Package httpcache holds the decisions of an HTTP shared cache as pure functions: whether a response
// may be stored, how long it is fresh, whether it may answer a request, how it is validated and
// freshened, and how the cache tells what it did. RFC 9111 decides; RFC 9110 (conditions, fields),
// 5861 (stale), 8246 (immutable), 8586 (CDN-Loop), 9209 (Proxy-Status), 9211 (Cache-Status) and
// 9213 (CDN-Cache-Control) join it.
//
// It owns no state, does no I/O, reads no clock (times are parameters), logs nothing and starts no
// goroutine. It refuses to know stores, keys, connections and configuration files; what an operator
// may choose reaches it as a Policy.
//
// # Where to start reading
//
// The order is the life of a response: NewMeta reads what decides about it, once, when it arrives;
// Storable says whether it may be kept and StoredFields which fields are; Decide says at each use
// whether it may answer. When it may not, Conditional makes the request that validates it, and Freshen
// merges the 304 that comes back. The life of a request: ParseRequest, Request.Bypass, Decide,
// NotModified, AppendCacheStatus.
//
// # Header
//
// Every function reads fields through the Header interface, so that a listener's own header type and
// a stored header block work alike. A Header that also implements Indexed is read without allocating.
package httpcache
