// Package schema brings schemas of a PostgreSQL database up to date, and owns the one that several tiers
// share: tiercache, which holds the control log and what control keeps beside it (migrations/).
//
// It refuses to read or write what is in the tables: that is the business of the tiers' own packages, which
// run Migrate with migrations of their own, and MigrateControl if they write to the log. The user needs to
// own the schema, or to be allowed to create it.
//
// It also reads connection URLs (ParseLocation), for all who connect: what is wrong with one is said without its
// password.
//
// What applications call in SQL is here as well: tiercache.invalidate and its like, and watches, which are triggers that
// purge what a change of a table makes old. Install and Remove are for the command line.
//
// The rules of the log that SQL keeps are written where they are kept, as INVARIANTs in the migrations.
//
// Start reading at Migrate, then migrations/00001_log.sql.
package schema
