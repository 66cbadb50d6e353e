package members

import (
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// maxReports is how many reports of a member are kept, to tell when it had applied an epoch.
const maxReports = 16

// member is one registration of a node's process, as this control node knows it; the next registration of the
// name is another one. It is guarded by the tracker's mutex.
type member struct {
	row     postgres.Member // as it was read or written last
	order   uint64          // of that: see Tracker.next
	applied uint64
	doubt   uint64    // what it says that it has applied below that counts for nothing
	reports []report  // the newest, by epoch and time
	renewed time.Time // its last renewal, here or as far as the rows tell; zero: none since the start
	left    time.Time // when it said that it stops; zero: it did not
	fresh   bool      // renewed here since the last save
	joined  bool      // the subscribers were told that it has joined here
	told    string    // its lease as the subscribers know it
	rival   Rival     // who asked for its name last, in vain

	// confirmed is when the last statement began that found the row and noted there that the member lives.
	confirmed time.Time
	// leased is when it was granted a lease here; zero: never.
	leased time.Time
	// elsewhere is when the row was last found to say that the member lives without this node having noted it; as long
	// as that has not happened, when it was joined or found.
	elsewhere time.Time
}

// report: the member had applied epoch at that time.
type report struct {
	epoch uint64
	at    time.Time
}

// is reports whether that renewal comes from the member's process, while it is a member.
func (m *member) is(r *controllog.Renew) bool {
	return m != nil && m.row.Instance == r.Instance && m.row.Tier == r.Tier && m.left.IsZero()
}

// same reports whether a row is of this registration.
func (m *member) same(row *postgres.Member) bool {
	return m.row.Instance == row.Instance && m.row.Registered.Equal(row.Registered)
}

// over is when the member holds no lease any more, whoever granted it, provided that its row stays until then as
// it was read last.
//
// INVARIANT: a control node grants only what is confirmed: within confirmTime of a note in the row. So what others
// have granted was granted at most that long after their last note.
func (m *member) over() time.Time {
	return later(later(m.leased, m.renewed), m.elsewhere.Add(confirmTime)).Add(controllog.FenceTime)
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

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
