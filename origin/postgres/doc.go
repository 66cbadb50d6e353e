// Package postgres keeps the origin's objects in PostgreSQL, in the schema origin.
//
// It owns the tables (migrations), the one transaction that makes a write visible, bodies in immutable
// chunks, and clean-up. It is the tier's only user of pgx. It refuses to hold a connection for a client: an
// upload and a download of any length take one for each chunk, for as long as the chunk needs.
//
// INVARIANT: an object's row, its new version and that version's body appear in one commit.
// INVARIANT: a write and its entry in the control log's outbox are one commit, and the epoch of a read is
// that of the snapshot that the object was read from.
// INVARIANT: a chunk is never changed, and is deleted only when no version has had its body for ReadGrace.
// INVARIANT: all writes of one body content are serialised, so a content is stored once.
//
// Start reading at Store; the write path is Put in put.go, the read path stamped.go and body.go; sequence.go
// gives writes their epochs.
package postgres
