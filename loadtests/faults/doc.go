// Package faults runs the built program as a fleet of two regions, breaks what it stands on, and judges what clients were
// given meanwhile.
//
// The fleet is two control nodes, an origin, two regional nodes, four edges, NATS, a PostgreSQL, and a Redis for each
// region: real processes, each in a network namespace with an address of its own. Faults come one after the other, which and
// when is up to the seed: processes are killed and stopped, links cut, lossy, narrow and slow, stores flushed and set back,
// databases restarted, replaced and restored, clocks set, a disk filled. Clients write, purge and read all the while.
// What each of them asked and was told is a line of the history, with times of one monotonic clock; loadtests/history
// judges that, by the rules that also judge the simulation, and takes what clients share that have a token jar for
// registers that must be linearizable.
//
// It refuses to run anywhere but in namespaces of its own (sandbox.go): with its last process everything that it made is
// gone, and nothing outside can be broken. What a run does is a function of its seed, when it happens is not: a seed that
// finds something finds it often, not always.
//
// Start reading at Run in run.go, then fleet.go, clients.go and faults.go.
package faults
