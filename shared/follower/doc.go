// Package follower keeps a node's view of the control log current.
//
// It owns the node's Replica, the lease, the file in which the view outlives the process, and every exchange
// with control: entries come over NATS, what is missing is fetched, and a renewal twice a second, and after
// each change, is heartbeat, receipt and request for a lease in one. NATS may lose, repeat or reorder; with
// NATS down all of it goes over control's HTTP; with control down the node goes on with what it knows.
//
// One goroutine, Run's loop, writes the view. Exchanges run beside it and hand it their outcome, so nothing
// that is slow holds up an entry that arrives.
//
// It refuses to decide what becomes of a request: it says what the node knows and whether it may be sure.
//
// Start reading at Follower.Run, then loop.go.
package follower
