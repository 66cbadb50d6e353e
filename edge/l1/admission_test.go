package l1

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"tiercache/shared/object"
)

// fixture is a cache whose main is full of values that nobody asks for.
type fixture struct {
	*testing.T
	c *Cache
	n int
}

func newFull(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, c: newTiny(t, 1<<62)}
	f.scan(10 * mib)
	if s := f.c.Stats(); s.Rejected == 0 || s.Promoted == 0 || s.Readmitted != 0 || s.Bytes != s.Capacity {
		t.Fatalf("not full: %+v", s)
	}
	return f
}

// scan stores so many bytes under keys that were never asked for.
func (f *fixture) scan(total int) {
	f.Helper()
	for range total / (8 << 10) {
		f.n++
		f.store(fmt.Sprintf("scan-%011d", f.n), 8<<10)
	}
}

func (f *fixture) store(key string, size int) {
	f.Helper()
	if err := f.c.Store(ctx, key, make([]byte, size), 0); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) has(key string) bool {
	f.Helper()
	_, err := f.c.Lookup(ctx, key)
	if err != nil && !errors.Is(err, object.ErrNotFound) {
		f.Fatal(err)
	}
	return err == nil
}

func entryKey(name string, i int) string { return fmt.Sprintf("%s-%0*d", name, 15-len(name), i) }

// TestAdmission_ScanLeavesTheHotSet: what was asked for twice while it was new outlives a scan of many times the budget,
// what was not does not.
func TestAdmission_ScanLeavesTheHotSet(t *testing.T) {
	f := newFull(t)
	const hot = 200 // 1.6 MiB of 5
	for i := range hot {
		f.store(entryKey("hot", i), 8<<10)
		f.store(entryKey("cold", i), 8<<10)
		for range 2 {
			f.has(entryKey("hot", i))
		}
	}
	kept, lost := 0, 0
	for range 20 {
		f.scan(2 * mib)
		kept, lost = 0, 0
		for i := range hot {
			if f.has(entryKey("hot", i)) {
				kept++
			}
			if i < 100 && !f.has(entryKey("cold", i)) {
				lost++
			}
		}
	}
	if kept < hot*95/100 || lost < 95 {
		t.Errorf("after a scan of 40 MiB %d of %d hot values are kept, %d of 100 cold ones lost", kept, hot, lost)
	}
}

// TestAdmission_SecondFillGoesToMain: what small gave up and is asked for again soon has earned main.
func TestAdmission_SecondFillGoesToMain(t *testing.T) {
	f := newFull(t)
	f.store(entryKey("again", 1), 8<<10)
	f.scan(3 * mib)
	if f.has(entryKey("again", 1)) {
		t.Fatal("it outlived the scan")
	}
	before := f.c.Stats().Readmitted
	f.store(entryKey("again", 1), 8<<10)
	f.scan(2 * mib) // small comes round
	if n := f.c.Stats().Readmitted - before; n != 1 || !f.has(entryKey("again", 1)) {
		t.Errorf("%d readmitted, it is there: %v", n, f.has(entryKey("again", 1)))
	}
}

// TestAdmission_SegmentsFollowTheirObject: a refill has segments of other keys, which go where the entry belongs.
func TestAdmission_SegmentsFollowTheirObject(t *testing.T) {
	f := newFull(t)
	entry := entryKey("large", 1)
	fill := func(body byte) (keys []string) {
		for i := range uint32(3) {
			keys = append(keys, object.SegmentKey(entry, object.BodyID{body}, i))
			f.store(keys[i], object.SegmentSize)
		}
		f.store(entry, 200)
		return append(keys, entry)
	}
	fill(1)
	f.has(entry)
	if err := f.c.Remove(ctx, entry); err != nil { // as for a body that is not whole
		t.Fatal(err)
	}
	keys := fill(2)
	f.scan(2 * mib)
	for i, key := range keys {
		if !f.has(key) {
			t.Errorf("part %d of the second fill is gone", i)
		}
	}
}

// TestAdmission_FillUnderWay: until its entry comes a fill's segments outlive small, afterwards they do not.
func TestAdmission_FillUnderWay(t *testing.T) {
	f := newFull(t)
	segment := func(name string) string {
		return object.SegmentKey(entryKey(name, 1), object.BodyID{}, 0)
	}
	f.store(segment("under way"), object.SegmentSize)
	f.store(segment("done"), object.SegmentSize)
	f.store(entryKey("done", 1), 200)
	f.scan(3 * mib / 2)
	if !f.has(segment("under way")) || f.has(segment("done")) {
		t.Errorf("under way: %v, done: %v", f.has(segment("under way")), f.has(segment("done")))
	}
}

// TestAdmission_BySize: a small value needs fewer requests than a large one.
func TestAdmission_BySize(t *testing.T) {
	for _, c := range []struct {
		size, uses int
		main       bool
	}{{100, 0, false}, {100, 1, true}, {8 << 10, 1, false}, {8 << 10, 2, true}, {100 << 10, 2, false}, {100 << 10, 3, true}} {
		f := newFull(t)
		key := entryKey("v", c.size)
		f.store(key, c.size)
		for range c.uses {
			f.has(key)
		}
		f.scan(3 * mib / 2)
		if got := f.has(key); got != c.main {
			t.Errorf("%d bytes, asked for %d times: kept %v, want %v", c.size, c.uses, got, c.main)
		}
	}
}

// TestAdmission_AllInUse: where all of main is in use, a Store moves a bounded number of values, and finds room.
func TestAdmission_AllInUse(t *testing.T) {
	c := newTiny(t, 1<<62)
	f := &fixture{T: t, c: c}
	const values = 40_000
	for i := range values {
		f.store(entryKey("v", i), 100)
	}
	for range 8 {
		for i := range values {
			f.has(entryKey("v", i))
		}
	}
	before := c.Stats()
	for i := range 2000 {
		f.store(entryKey("new", i), 100)
		f.has(entryKey("new", i))
		f.has(entryKey("new", i))
	}
	after := c.Stats()
	if after.Dropped == before.Dropped || after.Reinserted-before.Reinserted > 2000*maxMoves {
		t.Errorf("%d dropped, %d reinserted", after.Dropped-before.Dropped, after.Reinserted-before.Reinserted)
	}
}

// TestAdmission_ReplaceInMain: a value that is replaced stays where it was.
func TestAdmission_ReplaceInMain(t *testing.T) {
	f := newFull(t)
	key := entryKey("hot", 1)
	f.store(key, 8<<10)
	f.has(key)
	f.has(key)
	f.scan(3 * mib / 2)
	value := bytes.Repeat([]byte("new"), 1000)
	hits := f.c.Stats().Hits
	if err := f.c.Store(ctx, key, value, 0); err != nil {
		t.Fatal(err)
	}
	f.scan(3 * mib / 2)
	if got, err := f.c.Lookup(ctx, key); err != nil || !bytes.Equal(got, value) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got := f.c.Stats().Hits - hits; got != 1 {
		t.Errorf("%d hits counted, want 1: the cache's own look does not count", got)
	}
}
