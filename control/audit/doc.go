// Package audit checks what the nodes of a fleet would serve against what PostgreSQL says.
//
// For each entry that a node holds, the node says its stamp, its scopes, and what it would do with the entry. The audit
// reads the control log itself, out of PostgreSQL, and knows by an index of its own which purges there were. An entry
// that the node would serve, although a purge of one of its scopes came after its stamp and is older than is allowed, is a
// violation. That needs nothing of any site, so it holds for all services. What comes from the platform's own origin is
// compared with the versions that PostgreSQL has as well, which finds what the log cannot: content that is older than its
// stamp.
//
// INVARIANT: the log is read before a node is asked, and the node reads and judges each entry after it was asked. So what
// is older than allowed at the time of the read is older than allowed when the entry is judged; the other way round the
// audit may miss what has just become too old, and never blames a node for what it could not know.
//
// It refuses to trust control beyond passing questions on, to write anywhere, and to repair anything.
//
// Start reading at Auditor.Run, then purges.go.
package audit
