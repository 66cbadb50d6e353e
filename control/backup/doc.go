// Package backup keeps a PostgreSQL cluster safe: base backups and the archive of its write-ahead log (WAL) in one folder, the
// repository, and restores from it to a moment, an epoch of the control log, or the end of the archive.
//
// It owns the repository. A base backup is what pg_basebackup makes, with its manifest, and a small entry of the
// catalogue; each file of the WAL is compressed and has its digest in its name. It refuses what it cannot vouch for: to keep
// two contents under one name, to mix two clusters, to restore over a database, and to take the end of what is readable
// for the end of the log.
//
// It uses PostgreSQL's own programs and knows nothing of its pages. For large databases there is pgBackRest
// (docs/OPERATIONS.md).
//
// Start reading at Repository, then Archive, Take and Restore.
package backup
