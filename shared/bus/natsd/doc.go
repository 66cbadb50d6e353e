// Package natsd is the NATS server that runs inside tiercache, and who may say what on it.
//
// It owns the embedded server (core NATS: no JetStream, no clustering, no HTTP), the nkey of each role
// and the subjects that a role may use. It refuses anonymous clients and gives no role more than it
// needs: a stolen edge key can pretend to be an edge, and cannot purge, follow other nodes or speak
// for another tier.
//
// Operators with a NATS of their own use the same roles there; Permissions says which.
//
// Start reading at Server.Run and Permissions.
package natsd
