// Package peers chooses where an edge sends a miss: the regional node that owns the key by rendezvous
// hashing, then the other nodes of the region, then those of other regions, at last the origin or the
// service's upstream itself, within a cap so that a region that is down does not flood it.
//
// It is the edge's proxy.Upstream. Start reading at Peers.Fetch.
package peers
