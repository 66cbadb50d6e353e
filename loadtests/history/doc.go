// Package history judges what happened to a fleet: what was written and purged, and what clients were given, against what
// is promised of purges (docs/GUARANTEES.md).
//
// It owns the form of a history and the rules of reads. It knows nothing of where a history comes from: loadtests/simulation
// makes one in virtual time and sees everything, loadtests/faults makes one of real processes and sees what clients see.
// What it is not told it does not hold against anybody.
//
// Start reading at History.Judge.
package history
