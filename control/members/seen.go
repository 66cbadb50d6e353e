package members

import (
	"sort"
	"time"

	"tiercache/shared/controllog"
)

// seenStep is how finely seen tells times.
const seenStep = 10 * time.Millisecond

// seen is when this node first saw an epoch, as far back as that matters for fencing.
type seen struct {
	points []point // by epoch, and so by time
}

// point: the epochs above the point before, through this one, were first seen between from and at.
type point struct {
	epoch    uint64
	from, at time.Time
}

// note takes that epoch had been seen by at. Epochs that come close together share a point with the latest
// time of theirs: an epoch may count as seen later than it was, never earlier.
func (s *seen) note(epoch uint64, at time.Time) {
	n := len(s.points)
	switch {
	case n > 0 && epoch <= s.points[n-1].epoch:
		return
	case n > 0 && at.Sub(s.points[n-1].from) < seenStep:
		s.points[n-1].epoch, s.points[n-1].at = epoch, at
	default:
		s.points = append(s.points, point{epoch, at, at})
	}
	old := sort.Search(len(s.points), func(i int) bool { return at.Sub(s.points[i].at) < 2*controllog.FenceTime })
	if old > 1 {
		s.points = append(s.points[:0], s.points[old-1:]...) // the newest old one says that those below are old
	}
}

// at is when epoch had been seen for sure, false while it has not.
func (s *seen) at(epoch uint64) (time.Time, bool) {
	i := sort.Search(len(s.points), func(i int) bool { return s.points[i].epoch >= epoch })
	if i == len(s.points) {
		return time.Time{}, false
	}
	return s.points[i].at, true
}

// newest is the last epoch that was seen, 0 for none.
func (s *seen) newest() uint64 {
	if len(s.points) == 0 {
		return 0
	}
	return s.points[len(s.points)-1].epoch
}
