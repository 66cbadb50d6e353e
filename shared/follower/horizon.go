package follower

import (
	"sync"
	"time"
)

// maxMarks bounds a horizon. When it is full, every second mark is dropped and marks are made half as often.
const maxMarks = 1024

// horizon knows roughly when epochs were applied, as far back as the node has run. It is safe for concurrent
// use.
type horizon struct {
	mu struct {
		sync.Mutex
		marks []mark // ascending
		step  time.Duration
	}
}

// mark: epoch was applied at at.
type mark struct {
	epoch uint64
	at    time.Time
}

// note takes what is applied at now.
func (h *horizon) note(now time.Time, applied uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.mu.marks
	if n := len(m); n > 0 && now.Sub(m[n-1].at) < h.mu.step {
		return
	}
	if len(m) >= maxMarks {
		for i := range maxMarks / 2 {
			m[i] = m[2*i]
		}
		m = m[:maxMarks/2]
		h.mu.step = max(2*h.mu.step, time.Second)
	}
	h.mu.marks = append(m, mark{applied, now})
}

// reset takes what is applied at now by a view that replaced the one before.
func (h *horizon) reset(now time.Time, applied uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.marks, h.mu.step = []mark{{applied, now}}, time.Second
}

// since is how long before now the first mark at or above epoch was made: the index answers exactly for all that
// was stamped since then.
func (h *horizon) since(now time.Time, epoch uint64) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.mu.marks {
		if m.epoch >= epoch {
			return now.Sub(m.at)
		}
	}
	return 0
}
