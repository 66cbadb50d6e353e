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
// What that leaves to see to is that no process holds a lease that no purge counts. Each process of a node draws
// an instance, so that two of one name are two, and a row is of one process. Four rules, each kept by whichever
// control node acts, and all by time that passes, so that no two clocks are compared:
//
//   - A lease is granted only within confirmTime of a statement that found the row of that very registration and
//     noted there that the member lives (Grant).
//   - A row is taken from its process, by another one or by nobody, only if it leaves or its successor knows that it
//     has ended, or once all that may have been granted on that row is over, and only if the row still is as it was
//     all that while (member.over).
//   - A registration ends when its row is removed or taken, and not by a Join of its own process, which may come again or
//     late: that is the same registration (again). A process that has left joins no more (Depart).
//   - What a member says that it has applied counts once this node has seen that in the log (believe).
//
// Start reading at Tracker.Watch, then Grant and Join.
package members
