// Package postgres is what control keeps in PostgreSQL, in the schema tiercache: the outbox and the log,
// members, purges, service documents, tokens, and the record of who did what.
//
// It owns the queries; the tables and the function that sequences are in shared/schema. It is the tier's
// only user of pgx. It holds nothing in memory: a Store that was restarted knows what it knew before.
//
// INVARIANT: what is told to anybody (an epoch, an entry) was committed before.
// INVARIANT: a change of a service or of a token, its entry for the log and its line in the activity record
// are one transaction, and such transactions are done one after the other, so that the log has them in the
// order in which they were committed.
//
// Start reading at Store, then poll.go.
package postgres
