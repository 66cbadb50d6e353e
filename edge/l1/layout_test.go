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
		rings, buffers := int64(l.ring)*int64(l.shards), int64(l.shards)*maxEntry
		if rings+buffers > size {
			t.Errorf("%d bytes: rings %d and buffers %d exceed it", size, rings, buffers)
		}
		if rings+buffers < size*8/10 {
			t.Errorf("%d bytes: rings %d and buffers %d waste it", size, rings, buffers)
		}
		if l.shards&(l.shards-1) != 0 {
			t.Errorf("%d bytes: %d shards, not a power of two", size, l.shards)
		}
		if l.ring < 8*maxEntry {
			t.Errorf("%d bytes: a ring of %d holds fewer than 8 of the largest values", size, l.ring)
		}
		if l.initial < maxEntry || l.initial > 2*maxEntry {
			t.Errorf("%d bytes: a ring starts with %d, the largest value takes %d", size, l.initial, maxEntry)
		}
		grown := l.initial
		for grown < l.ring {
			grown *= 2
		}
		if grown-l.ring > l.ring/1000 {
			t.Errorf("%d bytes: doubling %d does not end at %d", size, l.initial, l.ring)
		}
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
