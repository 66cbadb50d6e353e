package follower

import "tiercache/shared/telemetry"

// Stats counts what a Follower does. Each counter only grows.
type Stats struct {
	Entries  telemetry.Counter // entries applied
	Gaps     telemetry.Counter // messages that came before one that they build on
	Fetches  telemetry.Counter // requests for entries that were missed
	Resets   telemetry.Counter // views replaced by an image of control's
	Branches telemetry.Counter // of those, views that were another branch of the log
	Refused  telemetry.Counter // messages and answers that made no sense, each dropped

	RenewalsNATS   telemetry.Counter // answered over NATS
	RenewalsHTTP   telemetry.Counter // answered over HTTP
	RenewalsFailed telemetry.Counter // not answered, or without a lease
	Reports        telemetry.Counter // of what was applied, between renewals
	LeasesLost     telemetry.Counter // times that a lease ended before the next began
	StateErrors    telemetry.Counter // failures to read or write the state file
}

// Stats gives access to the counters.
func (f *Follower) Stats() *Stats { return &f.stats }
