// Package edge is the tier that clients talk to: a listener, the L1 in memory, and the caching proxy
// between them, whose misses go to the regional tier. It holds no content that it could not lose.
// Start reading at Build, which wires an edge node.
package edge
