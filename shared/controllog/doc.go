// Package controllog is the control log as a node sees it: its entries, how they travel, and the state that
// a node builds from them.
//
// The log is one number line in PostgreSQL. Each entry has an epoch and the epoch before it; a node
// applies entries strictly along that chain, so that lost, repeated or reordered messages cost time and
// never truth. What the entries say is in purge.go and entry.go; the messages by which nodes and control
// keep each other current are in message.go, how entries are written in codec.go. What a node makes of them is a
// Replica; an Image is a copy of one; Lease says whether the node may call itself current.
//
// Start reading at Replica.Apply.
package controllog
