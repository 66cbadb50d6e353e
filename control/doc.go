// Package control is the control plane: the API by which people and programs see and steer the fleet, and
// what gives the fleet one control log.
//
// It owns the sequencing of committed writes, the members of the fleet and their receipts, leases, purges,
// versions of service documents, tokens, and the API with its OpenAPI description. What lasts is in
// PostgreSQL, so that any control node can answer anything and be lost. It refuses to be on a request's path:
// edges, regional nodes and the origin serve on while it is away.
//
// Start reading at newControl, then Control.parts. The API is registered in api.go, each part of it in a file
// of its own; control/nodes answers the nodes; the way of a purge is purges.go, then purge_follow.go. The wire types
// are those of control/client, which is what other programs import.
package control
