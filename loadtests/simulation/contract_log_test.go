package simulation

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

func TestContract_LogDouble(t *testing.T) { onDouble(t, logContract(), newDoubleDatabases) }
func TestContract_Log(t *testing.T)       { onReal(t, logContract(), newRealDatabases) }

// logContract is what control and nodes rely on of the log.
func logContract() []demand[databases] {
	return []demand[databases]{
		{"BeginsAtTheClock", logBeginsAtTheClock},
		{"CommitMeansEntryRollbackMeansNone", commitMeansEntry},
		{"OrderAndChain", orderAndChain},
		{"Times", logTimes},
		{"Compacted", compacted},
		{"LoadIsPollFromZero", loadIsPoll},
		{"LoadStopsWithItsVisitor", loadStops},
		{"HeardBeginsATermAbove", heardBeginsTerm},
		{"HeardLately", heardLately},
	}
}

// polled is the log behind an epoch, to its head, one chain.
func polled(t *testing.T, with databases, after uint64) (rows []controllog.Row, head uint64) {
	t.Helper()
	for {
		p := must[postgres.Poll](t)(with.store().Poll(t.Context(), after))
		if p.Compacted {
			t.Fatalf("compacted behind %d", after)
		}
		for _, r := range p.Rows {
			if r.Prev != after && after != 0 {
				t.Fatalf("%d (%s) follows %d and not %d", r.Epoch, r.ID, r.Prev, after)
			}
			if r.Kind != "term" && r.Epoch != r.Prev+1 {
				t.Fatalf("%d follows %d without a term", r.Epoch, r.Prev)
			}
			after = r.Epoch
		}
		rows = append(rows, p.Rows...)
		switch {
		case after == p.Head:
			return rows, after
		case len(p.Rows) == 0:
			t.Fatalf("nothing behind %d, and the head is %d", after, p.Head)
		}
	}
}

func wantIDs(t *testing.T, rows []controllog.Row, want ...string) {
	t.Helper()
	var got []string
	for _, r := range rows {
		got = append(got, r.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log has %v, want %v", got, want)
	}
}

// wantTerm polls and wants one term that follows head, and returns its epoch.
func wantTerm(t *testing.T, with databases, head uint64, purge string) uint64 {
	t.Helper()
	rows, last := polled(t, with, head)
	if len(rows) != 1 || rows[0].Kind != "term" || rows[0].Prev != head {
		t.Fatalf("not one term behind %d: %+v", head, rows)
	}
	e, err := rows[0].Entry()
	if err != nil || e.Term.Purge != purge || e.Term.Reason == "" {
		t.Errorf("the term is %+v (%v), want purge %q", e.Term, err, purge)
	}
	if clock := uint64(time.Now().Add(-time.Minute).UnixMicro()); last < clock {
		t.Errorf("the term begins at %d, below the clock's %d: numbers that were lost could come again", last, clock)
	}
	if again, _ := polled(t, with, last); len(again) != 0 {
		t.Errorf("and once more: %+v", again)
	}
	return last
}

// purged commits a purge.
func purged(t *testing.T, with databases, ids ...string) {
	t.Helper()
	tx := with.begin(t)
	for _, id := range ids {
		tx.invalidate(id, controllog.Purge{Tags: []string{id}})
	}
	if err := tx.commit(); err != nil {
		t.Fatal(err)
	}
}

func activated(t *testing.T, with databases, id, name string, version int) {
	t.Helper()
	change := controllog.ServiceChange{Name: name, Version: version}
	if version > 0 { // 0: removed
		change = services(version, "")[0]
		change.Name, change.Document.Name = name, name
	}
	tx := with.begin(t)
	tx.activate(id, change)
	if err := tx.commit(); err != nil {
		t.Fatal(err)
	}
}

func logBeginsAtTheClock(t *testing.T, with databases) {
	head := wantTerm(t, with, 0, "")
	if limit := uint64(time.Now().Add(time.Minute).UnixMicro()); head > limit {
		t.Errorf("the first epoch is %d, the clock says %d", head, limit)
	}
	p := must[postgres.Poll](t)(with.store().Poll(t.Context(), head+7))
	if p.Head != head || len(p.Rows) != 0 || p.Compacted {
		t.Errorf("behind what is not there: %+v", p)
	}
}

func commitMeansEntry(t *testing.T, with databases) {
	_, head := polled(t, with, 0)
	late, never := with.begin(t), with.begin(t)
	late.invalidate("late", controllog.Purge{All: true})
	never.invalidate("never", controllog.Purge{All: true})
	purged(t, with, "early-1", "early-2")
	rows, head := polled(t, with, head)
	wantIDs(t, rows, "early-1", "early-2")
	if err := late.commit(); err != nil {
		t.Fatal(err)
	}
	rows, head = polled(t, with, head)
	wantIDs(t, rows, "late")
	never.rollback()
	rows, _ = polled(t, with, head)
	wantIDs(t, rows)
	if e, err := rows0(t, with, head).Entry(); err != nil || e.Kind != controllog.KindPurge || e.ID != "late" || len(e.Scopes) != 1 {
		t.Errorf("the entry: %+v, %v", e, err)
	}
}

// rows0 is the entry with that epoch.
func rows0(t *testing.T, with databases, epoch uint64) *controllog.Row {
	t.Helper()
	rows, _ := polled(t, with, epoch-1)
	if len(rows) == 0 || rows[0].Epoch != epoch {
		t.Fatalf("%d is not there: %+v", epoch, rows)
	}
	return &rows[0]
}

func orderAndChain(t *testing.T, with databases) {
	_, first := polled(t, with, 0)
	purged(t, with, "a", "b", "c")
	purged(t, with, "d")
	purged(t, with, "e", "f")
	all, head := polled(t, with, first)
	wantIDs(t, all, "a", "b", "c", "d", "e", "f")
	if all[0].Prev != first || head != first+6 {
		t.Errorf("from %d to %d behind %d", all[0].Prev, head, first)
	}
	for i, r := range all {
		rows, last := polled(t, with, r.Epoch)
		if last != head || len(rows) != len(all)-1-i {
			t.Errorf("behind %d: %d entries up to %d", r.Epoch, len(rows), last)
		}
	}
	if rows, _ := polled(t, with, 0); len(rows) != 7 || rows[0].Epoch != first || rows[0].Prev != 0 {
		t.Errorf("from zero: %+v", rows)
	}
}

func logTimes(t *testing.T, with databases) {
	_, head := polled(t, with, 0)
	before := time.Now().Truncate(time.Millisecond)
	heard(t, with, head+1)
	purged(t, with, "a")
	rows, _ := polled(t, with, head)
	if len(rows) != 2 {
		t.Fatalf("behind %d: %+v", head, rows)
	}
	after := time.Now()
	for _, r := range rows {
		if r.Time.Before(before) || r.Time.After(after) || !r.Time.Equal(r.Time.Truncate(time.Millisecond)) {
			t.Errorf("%s is of %v; it was between %v and %v", r.ID, r.Time, before, after)
		}
	}
}

func compacted(t *testing.T, with databases) {
	_, start := polled(t, with, 0)
	activated(t, with, "s1", "own", 1)
	activated(t, with, "s2", "own", 2)
	purged(t, with, "a", "b", "c", "d", "e")
	_, head := polled(t, with, start)
	with.compact(t)
	for _, after := range []uint64{0, start, start + 1, head - kept - 1} {
		if p := must[postgres.Poll](t)(with.store().Poll(t.Context(), after)); !p.Compacted || len(p.Rows) != 0 || p.Head != head {
			t.Errorf("behind %d, which is gone: %+v", after, p)
		}
	}
	rows, _ := polled(t, with, head-kept)
	wantIDs(t, rows, "c", "d", "e")
	l, loadedRows := loaded(t, with)
	if l.Floor != head-kept || l.Head != head || len(l.Services) != 1 || l.Services[0].Version != 2 {
		t.Errorf("loaded %+v; the head is %d", l, head)
	}
	wantIDs(t, loadedRows, "c", "d", "e")
	with.compact(t) // there is nothing to do
	if again, _ := loaded(t, with); again.Floor != l.Floor {
		t.Errorf("the floor went from %d to %d", l.Floor, again.Floor)
	}
	purged(t, with, "f")
	rows, _ = polled(t, with, head)
	wantIDs(t, rows, "f")
}

// loaded is what Load gives.
func loaded(t *testing.T, with databases) (l postgres.Loaded, rows []controllog.Row) {
	t.Helper()
	err := with.store().Load(t.Context(), func(got postgres.Loaded) error { l = got; return nil },
		func(r controllog.Row) error { rows = append(rows, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return l, rows
}

func loadIsPoll(t *testing.T, with databases) {
	if l, rows := loaded(t, with); l.Head == 0 || l.Floor != 0 || len(rows) != 1 || rows[0].Epoch != l.Head || len(l.Services) != 0 {
		t.Errorf("a new log: %+v, %v", l, rows)
	}
	activated(t, with, "s1", "b", 1)
	activated(t, with, "s2", "gone", 1)
	activated(t, with, "s3", "a", 1)
	purged(t, with, "p1", "p2")
	activated(t, with, "s4", "b", 2)
	activated(t, with, "s5", "gone", 0)
	want, head := polled(t, with, 0)
	purged(t, with, "late") // no number yet
	activated(t, with, "s6", "a", 2)
	l, rows := loaded(t, with)
	if l.Head != head || l.Floor != 0 || fmt.Sprintf("%+v", rows) != fmt.Sprintf("%+v", want) {
		t.Errorf("loaded %d entries up to %d, polled %d up to %d", len(rows), l.Head, len(want), head)
	}
	var services []string
	for _, s := range l.Services {
		if s.Document == nil {
			t.Errorf("%s has no document", s.Name)
		}
		services = append(services, fmt.Sprint(s.Name, s.Version))
	}
	if !slices.Equal(services, []string{"a1", "b2"}) {
		t.Errorf("services %v", services)
	}
}

func loadStops(t *testing.T, with databases) {
	purged(t, with, "a", "b")
	polled(t, with, 0)
	mine, n := errors.New("mine"), 0
	begin := func(postgres.Loaded) error { return nil }
	err := with.store().Load(t.Context(), begin, func(controllog.Row) error { n++; return mine })
	if !errors.Is(err, mine) || errors.Is(err, postgres.ErrUnavailable) || n != 1 {
		t.Errorf("row's error: %v after %d", err, n)
	}
	if err := with.store().Load(t.Context(), func(postgres.Loaded) error { return mine }, nil); !errors.Is(err, mine) {
		t.Errorf("begin's error: %v", err)
	}
}
