package l1

import (
	"strings"
	"testing"
)

func TestLayout_EveryBudget(t *testing.T) {
	for size := int64(MinSize); size <= 64<<30; size += size/7 + 12_345 {
		l, err := newLayout(size)
		if err != nil {
			t.Fatal(err)
		}
		small, main := int64(l.small.ring)*int64(l.small.shards), int64(l.main.ring)*int64(l.main.shards)
		buffers := int64(l.small.shards+l.main.shards) * maxEntry
		tables := int64(l.uses + l.ghosts*l.small.shards*4)
		if sum := small + main + buffers + tables; sum > size || sum < size*8/10 {
			t.Errorf("%d bytes: %d of rings, %d of buffers and %d of tables", size, small+main, buffers, tables)
		}
		if part := float64(small) / float64(small+main); part < 0.06 || part > 0.16 {
			t.Errorf("%d bytes: small has %.2f of the rings", size, part)
		}
		if l.small.shards > l.main.shards || l.uses < slotsPerWord || l.ghosts < ways || l.ghosts&(l.ghosts-1) != 0 {
			t.Errorf("%d bytes: %+v", size, l)
		}
		wantRings(t, size, l.small, smallValues)
		wantRings(t, size, l.main, 8)
	}
}

// wantRings wants each ring to hold so many of the largest values, and to become as large as it should.
func wantRings(t *testing.T, size int64, r rings, values int) {
	t.Helper()
	if r.shards&(r.shards-1) != 0 {
		t.Errorf("%d bytes: %d shards, not a power of two", size, r.shards)
	}
	if r.ring < values*maxEntry {
		t.Errorf("%d bytes: a ring of %d holds fewer than %d of the largest values", size, r.ring, values)
	}
	if r.initial < maxEntry || r.initial > 2*maxEntry+1 {
		t.Errorf("%d bytes: a ring starts with %d, the largest value takes %d", size, r.initial, maxEntry)
	}
	grown := r.initial
	for grown < r.ring {
		grown *= 2
	}
	if grown-r.ring > r.ring/1000 {
		t.Errorf("%d bytes: doubling %d does not end at %d", size, r.initial, r.ring)
	}
}

func TestLayout_BudgetOutOfBounds(t *testing.T) {
	for _, size := range []int64{-1, 0, 1, MinSize - 1, maxSize + 1} {
		if _, err := New(Config{Size: size}); err == nil || !strings.Contains(err.Error(), "8 MiB") {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err := (Config{Size: size}).Validate(); err == nil {
			t.Errorf("%d bytes are valid", size)
		}
	}
}
