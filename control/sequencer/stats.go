package sequencer

import (
	"sync/atomic"
	"time"
)

// Stats are counters of a Sequencer since its start.
type Stats struct {
	Polls       atomic.Uint64 // that worked
	Entries     atomic.Uint64 // read from PostgreSQL
	Malformed   atomic.Uint64 // of those, that could not be read
	Resets      atomic.Uint64 // times the replica was made anew
	Branches    atomic.Uint64 // of those, since the log had branched
	Published   atomic.Uint64 // messages handed to the bus
	Unpublished atomic.Uint64 // messages that could not be sent
	Unreadable  atomic.Uint64 // messages heard that are none
}

// Stats are the counters, to be read at any time.
func (s *Sequencer) Stats() *Stats { return &s.stats }

// Age is how long ago the outbox was last found empty or emptied: how long a committed write may have
// waited for its epoch. It is negative when that never happened.
func (s *Sequencer) Age() time.Duration {
	at := s.polledAt.Load()
	if at == 0 {
		return -1
	}
	return time.Since(time.Unix(0, at))
}
