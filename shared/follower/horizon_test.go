package follower

import (
	"testing"
	"time"
)

func TestHorizon_ReachesBackToTheStartWhateverItsSize(t *testing.T) {
	var h horizon
	base := time.Unix(0, 0)
	h.reset(base, 10)
	const hours = 100
	now := base
	for i := range uint64(hours * 3600) {
		now = base.Add(time.Duration(i) * time.Second)
		h.note(now, 10+i)
	}
	if got := h.since(now, 0); got != now.Sub(base) {
		t.Errorf("got %v", got)
	}
	half := h.since(now, 10+hours*3600/2)
	if want := now.Sub(base) / 2; half > want || half < want-2*h.mu.step {
		t.Errorf("got %v, want %v or up to %v less", half, want, 2*h.mu.step)
	}
	if len(h.mu.marks) > maxMarks {
		t.Errorf("%d marks", len(h.mu.marks))
	}
	if got := h.since(now, 1<<60); got != 0 {
		t.Errorf("above all: got %v", got)
	}
}

func TestHorizon_WithoutAReset(t *testing.T) {
	var h horizon
	now := time.Unix(0, 0)
	for range 10 * maxMarks {
		now = now.Add(time.Millisecond)
		h.note(now, 1)
	}
	if h.mu.step == 0 || len(h.mu.marks) > maxMarks {
		t.Errorf("%d marks, a step of %v", len(h.mu.marks), h.mu.step)
	}
}
