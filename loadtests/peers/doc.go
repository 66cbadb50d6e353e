// Package peers measures how fast an edge serves hits beside nginx, Varnish, HAProxy and Traffic Server, and beside a bare
// fasthttp server that answers the same bytes from memory and knows no rules.
//
// Every server runs on one processor, and what loads it on another one; all fill from the same site and have everything in
// memory. Rounds go through all servers in turn, so that a machine that is slower for a while is so for all, and medians
// of rounds are compared as ratios. Throughput is wrk's; latency is that of an open loop at one rate for all, from when a
// request was to be sent. Each server's configuration is in its own file and says what it was given and why.
//
// Start reading at Run.
package peers
