package invalidation

import "slices"

// MaxHoles is how many holes an index knows apart; the oldest further ones become part of the hard floor.
const MaxHoles = 16

// Hole is a range of stamps that no entry of the log has: From < stamp < To.
type Hole struct{ From, To uint64 }

// inHole reports whether a stamp is dead because its branch of the log was lost. Any goroutine may call it.
func (t *table) inHole(stamp uint64) bool {
	holes := t.holes.Load()
	if holes == nil {
		return false
	}
	for _, h := range *holes {
		if h.From < stamp && stamp < h.To {
			return true
		}
	}
	return false
}

// addHole adds a hole, folding the oldest into the hard floor when there are too many.
//
// INVARIANT: the floor is raised before the hole goes, and readers look at holes before they load the floors.
func (t *table) addHole(h Hole) {
	old := t.holes.Load()
	var holes []Hole
	if old != nil {
		holes = slices.Clone(*old)
	}
	if h.To <= h.From+1 || slices.Contains(holes, h) {
		return
	}
	holes = append(holes, h)
	slices.SortFunc(holes, func(a, b Hole) int {
		switch {
		case a.To < b.To:
			return -1
		case a.To > b.To:
			return 1
		}
		return 0
	})
	for len(holes) > MaxHoles {
		raise(&t.oldest, holes[0].To)
		raise(&t.hardFloor, holes[0].To)
		holes = holes[1:]
	}
	t.step()
	t.holes.Store(&holes)
	t.step()
}
