package invalidation_test

import (
	"testing"

	"tiercache/shared/invalidation"
)

// TestIndex_EvictedIsNeverBetterForAMoment looks at the index between the stores of each eviction. INVARIANT:
// floors first, then the scope goes.
func TestIndex_EvictedIsNeverBetterForAMoment(t *testing.T) {
	x := invalidation.NewIndex(2)
	purge(x, 10, hard, scopeOf(1))
	purge(x, 20, soft, scopeOf(2))
	steps := 0
	x.OnStep(func() {
		steps++
		wantCheck(t, x, 9, invalidation.Dead, scopeOf(1))
		wantCheck(t, x, 19, invalidation.Stale, scopeOf(2))
	})
	purge(x, 30, hard, scopeOf(3))
	purge(x, 40, hard, scopeOf(4))
	if steps == 0 {
		t.Error("nothing was evicted")
	}
}

// TestIndex_FoldedHoleIsNeverBetterForAMoment: the floor first, then the hole goes.
func TestIndex_FoldedHoleIsNeverBetterForAMoment(t *testing.T) {
	x := invalidation.NewIndex(0)
	for i := range uint64(invalidation.MaxHoles) {
		x.Hole(100*i, 100*i+50)
	}
	steps := 0
	x.OnStep(func() {
		steps++
		wantCheck(t, x, 49, invalidation.Dead)
	})
	x.Hole(1<<40, 1<<41)
	if steps == 0 {
		t.Error("no hole was folded")
	}
}

// TestIndex_RestoreShowsNoEpochWithoutItsPurges: the table first, then what is applied.
func TestIndex_RestoreShowsNoEpochWithoutItsPurges(t *testing.T) {
	source := filled(10, 100)
	x := invalidation.NewIndex(100)
	purge(x, 5, hard, scopeOf(4))
	steps := 0
	x.OnStep(func() {
		steps++
		for epoch := uint64(5); epoch <= x.Applied(); epoch++ {
			wantCheck(t, x, epoch-1, invalidation.Dead, scopeOf(epoch-1))
		}
	})
	x.Restore(source.Snapshot())
	if steps != 2 || x.Applied() != 10 {
		t.Errorf("%d steps, applied %d", steps, x.Applied())
	}
}

// TestIndex_QueueOutlivesRepeatedPurges purges one scope more often than the queue has room.
func TestIndex_QueueOutlivesRepeatedPurges(t *testing.T) {
	x := invalidation.NewIndex(4)
	purge(x, 1, hard, scopeOf(1))
	purge(x, 2, hard, scopeOf(2))
	for epoch := range uint64(1000) {
		purge(x, 10+epoch, hard, scopeOf(3))
	}
	for i := range uint64(4) {
		purge(x, 2000+i, soft, scopeOf(10+i))
		want := []uint64{0, 1, 2, 1009}[i]
		if h, _ := x.Floors(); h != want || x.Len() != min(4, 4+int(i)) {
			t.Errorf("after %d more: floor %d, want %d; %d scopes", i+1, h, want, x.Len())
		}
	}
}
