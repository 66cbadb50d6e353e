package controllog

import (
	"sort"
	"sync"
	"time"
)

// How far back a History reaches, and how finely.
const (
	historyStep = 100 * time.Millisecond
	historySpan = 10 * time.Minute
	historySize = 2*int(historySpan/historyStep) + 16 // at most two records a step
)

// History knows what a node had applied at times within the last 10 minutes. It is safe for concurrent use. It
// errs to the older epoch, by up to 100 ms: an older stamp is only stricter.
type History struct {
	mu struct {
		sync.Mutex
		base    time.Time // the first Note's
		records []moment  // a ring once it is full
		head    int       // of the oldest
		latest  moment    // the last Note, which is not in records
		noted   bool      // there was one
	}
}

// moment is what had been applied some time after the base.
type moment struct {
	after   time.Duration
	applied uint64
}

// Note takes what is applied at now. Calls are in the order of time, after the epoch was published.
func (h *History) Note(now time.Time, applied uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := moment{applied: applied}
	if h.mu.noted {
		next.after = now.Sub(h.mu.base)
		h.keep(next.after)
	} else {
		h.mu.base, h.mu.noted = now, true
	}
	h.mu.latest = next
}

// keep records the latest moment before another takes its place, unless that one is within a step of the last
// record. h.mu is held.
func (h *History) keep(next time.Duration) {
	n := len(h.mu.records)
	switch {
	case n > 0 && next-h.record(n-1).after < historyStep:
		return
	case n < historySize:
		h.mu.records = append(h.mu.records, h.mu.latest)
	default:
		h.mu.records[h.mu.head] = h.mu.latest
		h.mu.head = (h.mu.head + 1) % n
	}
}

// record is the i-th oldest. h.mu is held.
func (h *History) record(i int) moment {
	return h.mu.records[(h.mu.head+i)%len(h.mu.records)]
}

// At is what had been applied at t, or less; 0 when that is not known any more.
func (h *History) At(t time.Time) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	after := t.Sub(h.mu.base)
	if h.mu.noted && after >= h.mu.latest.after {
		return h.mu.latest.applied
	}
	later := sort.Search(len(h.mu.records), func(i int) bool { return h.record(i).after > after })
	if later == 0 {
		return 0
	}
	return h.record(later - 1).applied
}
