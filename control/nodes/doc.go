// Package nodes answers the nodes of the fleet: their renewals, over the bus and over HTTP, and their requests for
// entries of the control log and for images of what it says.
//
// It owns the order of what happens for one renewal: a member is registered before the head is read, and granted its
// lease after that. It refuses to know who the members are (control/members) and what the log says
// (control/sequencer).
//
// Start reading at Nodes.answer.
package nodes
