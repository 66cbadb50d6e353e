// Package bus is how nodes hear of each other: typed messages over NATS.
//
// It owns the connection (it comes back by itself, for ever), the subjects and the form of the
// messages, and is the only user of nats.go. Its child natsd is the server that `up` embeds and says
// which role may use which subject. It refuses to be a queue: a message sent while NATS is away is
// lost, and a slow reader loses the newest ones. Whoever needs all of something reads it where it is
// stored; the bus only makes that fast.
//
// Start reading at Connect, and at Announce for what every node does with it.
package bus
