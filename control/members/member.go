package members

import (
	"sync"
	"time"

	"tiercache/control/postgres"
)

// maxReports is how many reports of a member are kept, to tell when it had applied an epoch.
const maxReports = 16

// member is a node as this control node knows it. All but joining is guarded by the tracker's mutex.
type member struct {
	row     postgres.Member // as it was read or written last
	applied uint64
	reports []report  // the newest, by epoch and time
	renewed time.Time // its last renewal, here or as far as the rows tell; zero: none since the start
	granted time.Time // its last lease, here, or renewal as far as the rows tell
	known   time.Time // when it was joined or found
	left    time.Time // when it said that it stops; zero: it did not
	fresh   bool      // renewed here since the last save
	saved   bool      // the last save was of a renewal here
	told    string    // its lease as the subscribers know it

	joining sync.Mutex // held while its row is made or removed
}

// report: the member had applied epoch at that time.
type report struct {
	epoch uint64
	at    time.Time
}

// advance takes a report. An older one, that was overtaken, changes nothing.
func (m *member) advance(epoch uint64, at time.Time) {
	if epoch <= m.applied {
		return
	}
	m.applied = epoch
	if len(m.reports) == maxReports {
		m.reports = append(m.reports[:0], m.reports[1:]...)
	}
	m.reports = append(m.reports, report{epoch, at})
}

// appliedAt is when the member is known to have applied epoch; zero when the report of that is not kept.
func (m *member) appliedAt(epoch uint64) time.Time {
	for _, r := range m.reports {
		if r.epoch >= epoch {
			return r.at
		}
	}
	return time.Time{}
}
