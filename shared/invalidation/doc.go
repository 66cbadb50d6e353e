// Package invalidation knows what was purged: the scopes that a purge can name, and the index in which a
// node looks up whether a stored response still stands.
//
// A stored response carries a stamp, the epoch as of which it is known to be good, and the scopes that it
// belongs to. A purge is an epoch, a mode and some scopes. Nothing is removed from any store: a response
// whose stamp is below the last hard epoch of one of its scopes is dead, one below the last soft epoch is
// stale. So a purge costs the same whatever it covers, and a fill that is under way cannot beat it.
//
// The package is pure: no I/O, no clock, no logger. Start reading at Index.Check, then scope.go.
package invalidation
