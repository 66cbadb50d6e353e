package invalidation_test

import (
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// model is what an index means: it forgets nothing.
type model struct {
	hard, soft map[object.Scope]uint64
	holes      []invalidation.Hole
}

func (m *model) purge(epoch uint64, mode invalidation.Mode, scopes []object.Scope) {
	last := m.hard
	if mode == invalidation.Soft {
		last = m.soft
	}
	for _, s := range scopes {
		last[s] = max(last[s], epoch)
	}
}

func (m *model) check(stamp uint64, scopes []object.Scope) invalidation.Verdict {
	verdict := invalidation.Live
	for _, h := range m.holes {
		if h.From < stamp && stamp < h.To {
			return invalidation.Dead
		}
	}
	for _, s := range append([]object.Scope{invalidation.AllScope()}, scopes...) {
		if stamp < m.hard[s] {
			return invalidation.Dead
		}
		if stamp < m.soft[s] {
			verdict = invalidation.Stale
		}
	}
	return verdict
}

// TestIndex_Property compares indexes of all sizes with the model: the same verdict for stamps back to Oldest,
// never a better one for older stamps. Nothing is evicted while there is room.
func TestIndex_Property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.SampledFrom([]int{1, 2, 3, 8, 64}).Draw(t, "capacity")
		x := invalidation.NewIndex(capacity)
		m := &model{hard: map[object.Scope]uint64{}, soft: map[object.Scope]uint64{}}
		var universe []object.Scope
		for i := range uint64(24) {
			universe = append(universe, scopeOf(i))
		}
		some := rapid.SliceOfN(rapid.SampledFrom(universe), 0, 6)
		roomy := capacity >= len(universe) // so far
		epoch := uint64(1)
		t.Repeat(map[string]func(*rapid.T){
			"purge": func(t *rapid.T) {
				epoch += rapid.Uint64Range(0, 5).Draw(t, "step")
				mode := rapid.SampledFrom([]invalidation.Mode{hard, soft}).Draw(t, "mode")
				scopes := some.Draw(t, "scopes")
				if rapid.IntRange(0, 9).Draw(t, "all") == 0 {
					scopes = append(scopes, invalidation.AllScope())
				}
				x.Purge(epoch, mode, scopes)
				x.Advance(epoch)
				m.purge(epoch, mode, scopes)
			},
			"hole": func(t *rapid.T) {
				to := epoch + rapid.Uint64Range(1, 30).Draw(t, "size")
				x.Hole(epoch, to)
				x.Advance(to)
				m.holes = append(m.holes, invalidation.Hole{From: epoch, To: to})
				epoch = to
			},
			"restart": func(t *rapid.T) {
				capacity = rapid.SampledFrom([]int{capacity, capacity, 4, 64}).Draw(t, "new capacity")
				roomy = roomy && capacity >= len(universe)
				x = restarted(t, x, capacity)
			},
			"": func(t *rapid.T) {
				if roomy && len(m.holes) <= invalidation.MaxHoles && x.Oldest() > 0 {
					t.Fatalf("reaches back to %d only", x.Oldest())
				}
				stamp := rapid.Uint64Range(0, epoch+2).Draw(t, "stamp")
				scopes := some.Draw(t, "checked")
				got, want := x.Check(stamp, scopes), m.check(stamp, scopes)
				if got < want || stamp >= x.Oldest() && got != want {
					t.Fatalf("stamp %d of %d (oldest %d) is %s, want %s", stamp, epoch, x.Oldest(), got, want)
				}
			},
		})
	})
}

// restarted is the index as it comes back from disk with room for another number of scopes.
func restarted(t *rapid.T, x *invalidation.Index, capacity int) *invalidation.Index {
	b, err := x.Snapshot().AppendBinary([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := invalidation.DecodeSnapshot(b[len("before"):])
	if err != nil {
		t.Fatal(err)
	}
	y := invalidation.NewIndex(capacity)
	y.Restore(s)
	if y.Applied() != x.Applied() || y.Len() != min(x.Len(), capacity) {
		t.Fatalf("applied %d, %d scopes; before %d, %d", y.Applied(), y.Len(), x.Applied(), x.Len())
	}
	return y
}
