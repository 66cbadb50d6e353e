// Package members knows which nodes must have applied a purge before it is complete.
//
// A member is a row in PostgreSQL, from before a node serves until it has drained or was not heard of for a
// day. The tracker keeps what each has applied, as its renewals say, and shares it with other control
// nodes through those rows. A receipt is what a member made of an epoch: applied, or pending, or fenced.
//
// Fenced is decided by time alone. A lease that does not cover epoch E comes from an answer whose head was
// below E, so that its head was read, and its request sent, before E was committed: it ends
// controllog.LeaseTime after that at the latest. Hence controllog.FenceTime after this node first saw E, no
// node that has not applied E calls itself current. This needs no memory of leases and so outlives a
// restart: a node that has just started sees E later, and waits longer.
//
// Start reading at Tracker.Watch.
package members
