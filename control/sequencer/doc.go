// Package sequencer is a control node's one reader of the control log.
//
// Its goroutine runs the sequencing statement every few milliseconds, and at once when somebody asks for the
// head, applies what is new to this node's own replica and publishes what it has not heard on the bus. One
// statement serves everybody who asked before it began. It keeps the newest entries in memory, so that many
// nodes that missed the same ones cost no query each.
//
// It refuses to queue writes: they go to PostgreSQL first. While that is away it answers with an error and
// holds nothing.
//
// Start reading at Sequencer.Run, then round.go.
package sequencer
