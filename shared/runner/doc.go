// Package runner is the one lifecycle of every tiercache process: parts start in order, stop in
// reverse order within one deadline, and the process says meanwhile what it waits for.
//
// It owns Run (start, failure, drain), Signals, Health (what /readyz reports), the admin listener and
// the settings that every net/http server of the project shares. It refuses to restart a part: a part
// that can recover does so itself, and one that cannot ends the process with its error.
//
// Start reading at Run.
package runner
