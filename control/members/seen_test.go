package members

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tiercache/shared/controllog"
)

// TestSeen_IsNeverTooEarly compares with a list of everything.
func TestSeen_IsNeverTooEarly(t *testing.T) {
	type noted struct {
		epoch uint64
		at    time.Duration
	}
	rapid.Check(t, func(t *rapid.T) {
		var s seen
		var all []noted
		base, at, epoch := time.Unix(1_700_000_000, 0), time.Duration(0), uint64(0)
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			at += time.Duration(rapid.Int64Range(0, int64(30*time.Millisecond)).Draw(t, "pause"))
			epoch += rapid.Uint64Range(0, 3).Draw(t, "entries")
			s.note(epoch, base.Add(at))
			all = append(all, noted{epoch, at})
		}
		for e := uint64(1); e <= epoch; e++ {
			got, ok := s.at(e)
			if !ok {
				t.Fatalf("%d was not seen", e)
			}
			for _, n := range all {
				if n.epoch < e {
					continue
				}
				late := got.Sub(base.Add(n.at))
				old := at-n.at > 2*controllog.FenceTime
				if late < 0 || late > seenStep && !old {
					t.Fatalf("%d counts as seen %v after it was", e, late)
				}
				if old && base.Add(at).Sub(got) < controllog.FenceTime {
					t.Fatalf("%d is old and counts as new", e)
				}
				break
			}
		}
		if _, ok := s.at(epoch + 1); ok {
			t.Fatal("seen what was not")
		}
		if limit := int(2*controllog.FenceTime/seenStep) + 2; len(s.points) > limit {
			t.Fatalf("%d points", len(s.points))
		}
	})
}
