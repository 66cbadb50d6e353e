// Package regional is the shield tier: it stands between the edges and the upstreams of a region, so
// that an upstream is asked once for what all edges want. It runs the same caching proxy as the edge,
// over an L2 that its nodes share. An L2 that is gone makes it slower, never wrong.
// Start reading at Build, which wires a regional node.
package regional
