package l1

import "testing"

func TestUses_CountsApart(t *testing.T) {
	u := newUses(1024)
	const hash, beside = 1 << 63, 1<<63 + 1<<54 // slots in one word
	for range 10 {
		u.count(hash, true)
		u.count(beside, false)
	}
	u.place(hash, true)
	if !u.inMain(hash) || u.inMain(beside) {
		t.Errorf("placed: %v, %v", u.inMain(hash), u.inMain(beside))
	}
	if n := u.leftSmall(hash); n != 0 {
		t.Errorf("found in small %d times", n)
	}
	if n, again := u.leftSmall(beside), u.leftSmall(beside); n != 3 || again != 0 {
		t.Errorf("%d uses, then %d, want 3 and 0", n, again)
	}
	lives := 0
	for u.leftMain(hash) {
		lives++
	}
	if lives != 7 {
		t.Errorf("main keeps it %d times, want 7", lives)
	}
	if !u.clear(hash) || u.clear(hash) || u.inMain(hash) {
		t.Error("it is not forgotten, or was before")
	}
}

func TestGhost_Remembers(t *testing.T) {
	var g ghost
	g.open(1<<10, 1<<20)
	hash := func(i int) uint64 { return uint64(i+1) * 0x9E3779B97F4A7C15 }
	const added = 200
	for i := range added {
		g.add(hash(i))
		g.pass(1 << 10)
	}
	remembered, mistaken := 0, 0
	for i := range added {
		if g.has(hash(i)) {
			remembered++
		}
		if g.has(hash(i + 10_000)) {
			mistaken++
		}
	}
	if remembered != added || mistaken > 2 {
		t.Errorf("%d of %d are remembered, %d mistaken", remembered, added, mistaken)
	}
	g.forget(hash(199))
	if g.has(hash(199)) {
		t.Error("it was to be forgotten")
	}
	g.pass(1<<20 - 100<<10) // the first 100 are older than the memory now
	if g.has(hash(50)) || !g.has(hash(150)) {
		t.Errorf("50: %v, 150: %v, want only the younger", g.has(hash(50)), g.has(hash(150)))
	}
}

func TestGhost_FullBucketLosesTheOldest(t *testing.T) {
	var g ghost
	g.open(ways, 1<<20)
	for i := range uint64(ways + 1) {
		g.add((i + 1) << 16)
		g.pass(1 << 10)
	}
	if g.has(1<<16) || !g.has(2<<16) || !g.has((ways+1)<<16) {
		t.Errorf("%x", g.mu.slots)
	}
}
