// Package sequencing measures the way from a commit to the nodes: how long after it each follower has applied the entry,
// how many entries a second go that way, and what a watch costs those who write to the table.
//
// The platform is the real one, as `tiercache up` runs it; beside it four processes of this program follow the log as
// edges do and say when they have applied what (Follow). The time of a commit is PostgreSQL's own, from the record of the
// commit, before it waited for the disk. All clocks are one machine's.
//
// Start reading at Run.
package sequencing
