package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/controllog"
	"tiercache/shared/testkit"
)

// aboveTheClock brings the head so far above the clock that terms begin right behind it: as on a machine whose clock is
// behind that of the one before, or was set back together with its memory.
func aboveTheClock(t *testing.T, s *Store) (head uint64) {
	t.Helper()
	if err := s.Heard(context.Background(), uint64(time.Now().Add(time.Hour).UnixMicro())); err != nil {
		t.Fatal(err)
	}
	_, head = follow(t, s, 0)
	return head
}

// answers waits until the store has found a server that was started again, and that takes writes.
func answers(t *testing.T, s *Store) {
	t.Helper()
	testkit.Eventually(t, 30*time.Second, func() error {
		recovering, err := one(context.Background(), s, pgx.RowTo[bool], "SELECT pg_is_in_recovery()")
		if err == nil && recovering {
			err = errors.New("the server is still recovering")
		}
		return err
	})
}

func TestChain_EachEntryCarriesThatOfTheOneBefore(t *testing.T) {
	s := open(t, Config{})
	execute(t, s, insert, "a", 3)
	rows, head := follow(t, s, 0)
	execute(t, s, insert, "b", 2)
	more, last := follow(t, s, head)
	chain := uint64(0)
	for _, r := range append(rows, more...) {
		if r.PrevChain != chain || r.Chain == 0 || r.Chain == chain {
			t.Errorf("%s: %016x behind %016x, the one before is %016x", r.ID, r.Chain, r.PrevChain, chain)
		}
		chain = r.Chain
	}
	if p := poll1(t, s, last); p.Chain != chain {
		t.Errorf("the head's is %016x, want %016x", p.Chain, chain)
	}
	if at, err := s.Find(context.Background(), last); err != nil || at != (Found{Chain: chain}) {
		t.Errorf("%+v, %v", at, err)
	}
	loaded := uint64(0)
	err := s.Load(context.Background(), func(Loaded) error { return nil }, func(r controllog.Row) error { loaded = r.Chain; return nil })
	if err != nil || loaded != chain {
		t.Errorf("loaded %016x, %v", loaded, err)
	}
}

// A log from before there were hashes: what is behind it begins a chain.
func TestChain_BeginsBehindEntriesWithout(t *testing.T) {
	s := open(t, Config{})
	execute(t, s, insert, "a", 3)
	_, head := follow(t, s, 0)
	execute(t, s, "UPDATE tiercache.log SET chain = NULL, prev_chain = NULL")
	if p := poll1(t, s, head); p.Chain != 0 {
		t.Errorf("the head's is %016x", p.Chain)
	}
	execute(t, s, insert, "b", 2)
	rows, _ := follow(t, s, head)
	if len(rows) != 2 || rows[0].PrevChain != 0 || rows[0].Chain == 0 || rows[1].PrevChain != rows[0].Chain {
		t.Errorf("%+v", rows)
	}
}

// A data directory is copied while the server is down, and both copies are used, under clocks that make them give out the
// same numbers. Only the hashes tell their entries apart.
func TestBranch_ColdCopyOfTheDataDirectory(t *testing.T) {
	ctx := context.Background()
	original := testkit.PostgresCluster(t)
	s := open(t, Config{URL: original.URL})
	fork := aboveTheClock(t, s)
	original.Stop()
	clone := original.Copy(original.Port())

	use := func(c *testkit.Cluster, name string) []controllog.Row {
		c.Start()
		answers(t, s)
		execute(t, s, insert, name, 3)
		rows, _ := follow(t, s, fork)
		if len(rows) != 4 || rows[0].Kind != "term" || rows[0].Prev != fork || rows[0].PrevChain == 0 {
			t.Fatalf("%s has %+v", name, rows)
		}
		return rows
	}
	lost := use(original, "a")
	original.Stop()
	kept := use(clone, "b")
	for i := range kept {
		if lost[i].Epoch != kept[i].Epoch {
			t.Fatalf("the numbers do not collide: %d and %d", lost[i].Epoch, kept[i].Epoch)
		}
	}
	last := len(kept) - 1
	if lost[last].Chain == kept[last].Chain {
		t.Error("the hashes are the same")
	}
	head := kept[last].Epoch
	if err := s.Branched(ctx, head, kept[last].Chain); err != nil {
		t.Fatal(err)
	}
	if p := poll1(t, s, head); len(p.Rows) != 0 {
		t.Fatalf("it is this branch: %v", ids(p.Rows))
	}
	if err := s.Branched(ctx, head, lost[last].Chain); err != nil {
		t.Fatal(err)
	}
	term := wantTerm(t, s, head, "hard")
	// Others that come from the same branch need no further term, and it counts as one that a node has caused.
	for i := 1; i <= last; i++ {
		if err := s.Branched(ctx, lost[i].Epoch, lost[i].Chain); err != nil {
			t.Fatal(err)
		}
	}
	if p := poll1(t, s, term.Epoch); len(p.Rows) != 0 {
		t.Errorf("and once more: %v", ids(p.Rows))
	}
	if n, err := s.HeardLately(ctx, 2*time.Hour); err != nil || n != 2 { // the first was made by aboveTheClock
		t.Errorf("%d claims, %v", n, err)
	}
}
