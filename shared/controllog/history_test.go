package controllog_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tiercache/shared/controllog"
)

func TestHistory_At(t *testing.T) {
	var h controllog.History
	if h.At(noon) != 0 {
		t.Errorf("%d before the first note", h.At(noon))
	}
	for ms, applied := range []uint64{0: 10, 50: 11, 99: 12, 600_000: 13} {
		if applied > 0 {
			h.Note(noon.Add(time.Duration(ms)*time.Millisecond), applied)
		}
	}
	for ms, want := range map[int]uint64{
		-1: 0, 0: 10, 49: 10, 98: 10, 99: 12, 100: 12, 599_999: 12, 600_000: 13, 3_600_000: 13,
	} {
		if got := h.At(noon.Add(time.Duration(ms) * time.Millisecond)); got != want {
			t.Errorf("%d at %d ms, want %d", got, ms, want)
		}
	}
}

// TestHistory_Property: never newer than the truth, 100 ms older at most, and 10 minutes back at least.
func TestHistory_Property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type note struct {
			at      time.Time
			applied uint64
		}
		truth := []note{}
		var h controllog.History
		now, applied := noon, uint64(0)
		// Dense enough at times to fill the ring.
		step := rapid.SampledFrom([]int{1, 20, 70, 150, 5000}).Draw(t, "step")
		for range rapid.IntRange(1, 20_000).Draw(t, "notes") {
			applied++
			h.Note(now, applied)
			truth = append(truth, note{now, applied})
			now = now.Add(time.Duration(1+int(applied*7919)%(2*step)) * time.Millisecond)
		}
		at := func(when time.Time) (applied uint64) {
			for i := len(truth) - 1; i >= 0; i-- {
				if !truth[i].at.After(when) {
					return truth[i].applied
				}
			}
			return 0
		}
		for range 20 {
			back := time.Duration(rapid.Int64Range(0, 700_000).Draw(t, "back")) * time.Millisecond
			when := now.Add(-back)
			got, newest := h.At(when), at(when)
			if got > newest || back <= 10*time.Minute && got < at(when.Add(-100*time.Millisecond)) {
				t.Fatalf("%s back: %d, want %d to %d", back, got, at(when.Add(-100*time.Millisecond)), newest)
			}
		}
	})
}
