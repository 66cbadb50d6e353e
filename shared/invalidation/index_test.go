package invalidation_test

import (
	"testing"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

const (
	hard = invalidation.Hard
	soft = invalidation.Soft
)

func wantCheck(t *testing.T, x *invalidation.Index, stamp uint64, want invalidation.Verdict, scopes ...object.Scope) {
	t.Helper()
	if got := x.Check(stamp, scopes); got != want {
		t.Errorf("stamp %d is %s, want %s", stamp, got, want)
	}
}

func purge(x *invalidation.Index, epoch uint64, mode invalidation.Mode, scopes ...object.Scope) {
	x.Purge(epoch, mode, scopes)
	x.Advance(epoch)
}

func TestIndex_StampAtThePurgeIsLive(t *testing.T) {
	x := invalidation.NewIndex(0)
	a, b := scopeOf(1), scopeOf(2)
	wantCheck(t, x, 0, invalidation.Live, a)
	purge(x, 10, hard, a)
	purge(x, 20, soft, b)
	wantCheck(t, x, 9, invalidation.Dead, a)
	wantCheck(t, x, 10, invalidation.Live, a)
	wantCheck(t, x, 19, invalidation.Stale, b)
	wantCheck(t, x, 20, invalidation.Live, b)
	wantCheck(t, x, 0, invalidation.Live, scopeOf(3))
	wantCheck(t, x, 0, invalidation.Live)
	wantCheck(t, x, 5, invalidation.Dead, b, a) // the worst of all scopes
	wantCheck(t, x, 15, invalidation.Stale, b, a)
	if x.Applied() != 20 || x.Len() != 2 || x.Oldest() != 0 {
		t.Errorf("applied %d, %d scopes, oldest %d", x.Applied(), x.Len(), x.Oldest())
	}
}

func TestIndex_HardThenSoftStaysDead(t *testing.T) {
	x := invalidation.NewIndex(0)
	a := scopeOf(1)
	purge(x, 10, hard, a)
	purge(x, 20, soft, a)
	wantCheck(t, x, 9, invalidation.Dead, a)
	wantCheck(t, x, 15, invalidation.Stale, a)
	purge(x, 30, hard, a)
	wantCheck(t, x, 25, invalidation.Dead, a)
	if x.Len() != 1 {
		t.Errorf("%d scopes", x.Len())
	}
}

func TestIndex_RepeatedAndOlderPurgesChangeNothing(t *testing.T) {
	x := invalidation.NewIndex(0)
	a := scopeOf(1)
	purge(x, 20, hard, a, a)
	purge(x, 10, hard, a)
	purge(x, 20, hard, a)
	wantCheck(t, x, 19, invalidation.Dead, a)
	wantCheck(t, x, 20, invalidation.Live, a)
	if x.Applied() != 20 || x.Len() != 1 {
		t.Errorf("applied %d, %d scopes", x.Applied(), x.Len())
	}
}

func TestIndex_PurgeOfEverythingRaisesItsFloor(t *testing.T) {
	x := invalidation.NewIndex(0)
	purge(x, 10, hard, invalidation.AllScope())
	purge(x, 20, soft, invalidation.AllScope())
	wantCheck(t, x, 9, invalidation.Dead)
	wantCheck(t, x, 10, invalidation.Stale)
	wantCheck(t, x, 20, invalidation.Live)
	if h, s := x.Floors(); h != 10 || s != 20 || x.Len() != 0 || x.Oldest() != 0 {
		t.Errorf("floors %d, %d; %d scopes; oldest %d", h, s, x.Len(), x.Oldest())
	}
}

// TestIndex_EvictionRaisesTheFloorOfItsMode fills an index of 2.
func TestIndex_EvictionRaisesTheFloorOfItsMode(t *testing.T) {
	x := invalidation.NewIndex(2)
	a, b, c, other := scopeOf(1), scopeOf(2), scopeOf(3), scopeOf(4)
	purge(x, 10, soft, a)
	purge(x, 20, hard, b)
	wantCheck(t, x, 5, invalidation.Live, other)
	purge(x, 30, hard, c) // evicts a
	if h, s := x.Floors(); h != 0 || s != 10 || x.Oldest() != 10 {
		t.Errorf("floors %d, %d, oldest %d", h, s, x.Oldest())
	}
	wantCheck(t, x, 9, invalidation.Stale, a)
	wantCheck(t, x, 9, invalidation.Stale, other)
	wantCheck(t, x, 10, invalidation.Live, other)
	purge(x, 40, hard, other) // evicts b
	wantCheck(t, x, 19, invalidation.Dead, b)
	wantCheck(t, x, 20, invalidation.Live, b)
	wantCheck(t, x, 29, invalidation.Dead, c)
	if h, s := x.Floors(); h != 20 || s != 10 || x.Oldest() != 20 || x.Len() != 2 {
		t.Errorf("floors %d, %d, oldest %d, %d scopes", h, s, x.Oldest(), x.Len())
	}
}

func TestIndex_PurgedAgainIsTheYoungest(t *testing.T) {
	x := invalidation.NewIndex(2)
	a, b, c := scopeOf(1), scopeOf(2), scopeOf(3)
	purge(x, 10, hard, a)
	purge(x, 20, hard, b)
	purge(x, 30, soft, a)
	purge(x, 40, hard, c) // evicts b, not a
	if h, s := x.Floors(); h != 20 || s != 0 {
		t.Errorf("floors %d, %d", h, s)
	}
	wantCheck(t, x, 25, invalidation.Stale, a)
}

// TestIndex_EvictedBelowTheFloorCostsNothing: what is dead anyway is answered exactly.
func TestIndex_EvictedBelowTheFloorCostsNothing(t *testing.T) {
	x := invalidation.NewIndex(1)
	purge(x, 10, soft, scopeOf(1))
	purge(x, 20, hard, invalidation.AllScope())
	purge(x, 30, hard, scopeOf(2))
	if h, s := x.Floors(); h != 20 || s != 0 || x.Oldest() != 0 {
		t.Errorf("floors %d, %d, oldest %d", h, s, x.Oldest())
	}
}

// TestIndex_EvictsOnlyWhenFull checks that groups do not overflow before the index is full, that eviction is in the
// order of epochs, and that scopes that are purged again and again do not use up the queue.
func TestIndex_EvictsOnlyWhenFull(t *testing.T) {
	const capacity, purged = 1 << 14, 5 << 14
	x := invalidation.NewIndex(capacity)
	for i := range uint64(purged) {
		x.Purge(i+1, hard, []object.Scope{scopeOf(i), scopeOf(1 << 40)})
		if oldest := max(int(i)+2-capacity, 0); x.Oldest() != uint64(oldest) {
			t.Fatalf("after %d purges the index reaches back to %d, want %d", i+1, x.Oldest(), oldest)
		}
	}
	if x.Len() != capacity {
		t.Errorf("%d scopes", x.Len())
	}
}

func TestIndex_StampsInAHoleAreDead(t *testing.T) {
	x := invalidation.NewIndex(0)
	x.Hole(100, 200)
	x.Advance(200)
	for stamp, want := range map[uint64]invalidation.Verdict{99: invalidation.Live, 100: invalidation.Live, 101: invalidation.Dead, 199: invalidation.Dead, 200: invalidation.Live} {
		wantCheck(t, x, stamp, want, scopeOf(1))
		wantCheck(t, x, stamp, want)
	}
	x.Hole(200, 201) // holds nothing
	wantCheck(t, x, 200, invalidation.Live)
}

func TestIndex_OldestHolesBecomeTheHardFloor(t *testing.T) {
	x := invalidation.NewIndex(0)
	for i := range uint64(invalidation.MaxHoles) {
		x.Hole(100*i+100, 100*i+150)
		x.Hole(100*i+100, 100*i+150) // again
	}
	wantCheck(t, x, 99, invalidation.Live)
	x.Hole(1<<40, 1<<41)
	wantCheck(t, x, 99, invalidation.Dead)
	wantCheck(t, x, 149, invalidation.Dead)
	wantCheck(t, x, 150, invalidation.Live)
	wantCheck(t, x, 210, invalidation.Dead)
	if h, s := x.Floors(); h != 150 || s != 0 || x.Oldest() != 150 {
		t.Errorf("floors %d, %d, oldest %d", h, s, x.Oldest())
	}
}

func TestIndex_CheckDoesNotAllocate(t *testing.T) {
	x := filled(1000, 500)
	x.Hole(1<<20, 1<<21)
	scopes := make([]object.Scope, 8)
	for i := range scopes {
		scopes[i] = scopeOf(uint64(1<<50 + i))
	}
	if n := testing.AllocsPerRun(100, func() { x.Check(1<<19, scopes) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
