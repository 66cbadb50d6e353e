package postgres

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/platform"
	"tiercache/shared/testkit"
)

// wantTerm polls and wants one entry, a term that follows head, and returns it.
func wantTerm(t *testing.T, s *Store, head uint64, purge string) controllog.Entry {
	t.Helper()
	p := poll1(t, s, head)
	if len(p.Rows) != 1 || p.Rows[0].Kind != "term" || p.Rows[0].Prev != head || p.Rows[0].Epoch != p.Head {
		t.Fatalf("not one term behind %d: %+v", head, p)
	}
	e, err := p.Rows[0].Entry()
	if err != nil || e.Term.Purge != purge || e.Term.Reason == "" {
		t.Errorf("the term is %+v (%v), want purge %q", e.Term, err, purge)
	}
	if clock := uint64(time.Now().Add(-time.Minute).UnixMicro()); e.Epoch < clock {
		t.Errorf("the term begins at %d, below the clock's %d: numbers that were lost could come again", e.Epoch, clock)
	}
	if again := poll1(t, s, e.Epoch); len(again.Rows) != 0 {
		t.Errorf("and once more: %+v", again.Rows)
	}
	t.Log(e.Term.Reason)
	return e
}

// Each change of what the log stands on, as the database itself would see it.
func TestTerm_WhenTheServerIsNotTheOneItWas(t *testing.T) {
	for _, c := range []struct{ name, change, purge string }{
		{"another cluster", "system_id = 1, timeline = '00000007', started_at = started_at - interval '1 s'", "hard"},
		{"WAL timeline", "timeline = '00000007'", "soft"},
		{"WAL timeline and start", "timeline = '00000007', started_at = started_at - interval '1 s'", "soft"},
		{"restored dump", "relation = 1", "soft"},
		{"started, without fsync", "started_at = started_at - interval '1 s'", "soft"}, // the tests' server has fsync off
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, Config{})
			execute(t, s, insert, "a", 3)
			_, head := follow(t, s, 0)
			execute(t, s, "UPDATE tiercache.server SET "+c.change)
			term := wantTerm(t, s, head, c.purge)
			execute(t, s, insert, "b", 2)
			rows, last := follow(t, s, head)
			if len(rows) != 3 || last != term.Epoch+2 {
				t.Errorf("after the term: %v up to %d", ids(rows), last)
			}
		})
	}
}

// Transaction ids of another cluster say nothing: rows must be found whatever theirs are.
func TestTerm_RowsAreFoundWhateverTheirTransactionIDs(t *testing.T) {
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	execute(t, s, "UPDATE tiercache.log SET snapshot = '900000000:900000000:'")
	execute(t, s, insert, "a", 1)
	if p := poll1(t, s, head); len(p.Rows) != 0 {
		t.Fatalf("a row below the snapshot was looked at: %v", ids(p.Rows))
	}
	execute(t, s, "UPDATE tiercache.server SET system_id = 1, started_at = started_at - interval '1 s'")
	rows, head := follow(t, s, head)
	if len(rows) != 2 || rows[0].Kind != "term" || rows[1].ID != "a-1" {
		t.Fatalf("the log has %v", ids(rows))
	}
	execute(t, s, insert, "b", 1)
	rows, _ = follow(t, s, head)
	wantIDs(t, rows, "b-1")
}

func TestTerm_ANodeIsAheadOfTheLog(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	execute(t, s, insert, "a", 3)
	_, head := follow(t, s, 0)
	for _, known := range []uint64{0, head - 1, head} {
		if err := s.Heard(ctx, known); err != nil {
			t.Fatal(err)
		}
	}
	if p := poll1(t, s, head); len(p.Rows) != 0 {
		t.Fatalf("nobody was ahead: %+v", p.Rows)
	}
	ahead := uint64(time.Now().Add(time.Hour).UnixMicro())
	if err := s.Heard(ctx, ahead); err != nil {
		t.Fatal(err)
	}
	if term := wantTerm(t, s, head, "soft"); term.Epoch <= ahead {
		t.Errorf("the term begins at %d, and a node has %d", term.Epoch, ahead)
	}
	for _, absurd := range []uint64{uint64(time.Now().Add(48 * time.Hour).UnixMicro()), 1 << 63, 1<<64 - 1} {
		if err := s.Heard(ctx, absurd); !errors.Is(err, ErrInvalid) {
			t.Errorf("epoch %d: %v", absurd, err)
		}
	}
	// The head is an hour ahead of the clock now: a new term goes on from it, not from the clock.
	head = poll1(t, s, 1<<62).Head
	execute(t, s, "UPDATE tiercache.server SET timeline = 'x'")
	wantTerm(t, s, head, "soft")
}

func TestTerm_RestartOfAServerWithoutFsync(t *testing.T) {
	server := testkit.PostgresProc(t)
	s := open(t, Config{URL: server.URL})
	execute(t, s, insert, "a", 3)
	_, head := follow(t, s, 0)
	server.Kill9()
	server.Restart()
	testkit.Eventually(t, 10*time.Second, func() error { _, err := s.Poll(context.Background(), head); return err })
	wantTerm(t, s, head, "soft")
}

// With fsync nothing that was told can be lost: the jump alone is enough.
func TestTerm_RestartOfAServerWithFsync(t *testing.T) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("/var/tmp", "tiercache-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // below the folder for temporary files
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	cfg := platform.PostgresConfig{Dir: dir, Port: testkit.FreePort(t)}
	start := func() *platform.Postgres {
		server, err := platform.StartPostgres(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return server
	}
	stop := func(server *platform.Postgres) {
		if err := server.Process().Stop(ctx); err != nil {
			t.Error(err)
		}
	}
	server := start()
	t.Cleanup(func() { stop(server) })
	s := open(t, Config{URL: server.URL()})
	execute(t, s, insert, "a", 3)
	_, head := follow(t, s, 0)
	stop(server)
	server = start()
	testkit.Eventually(t, 10*time.Second, func() error { _, err := s.Poll(ctx, head); return err })
	head = wantTerm(t, s, head, "").Epoch

	// Entries that were made while commits did not wait count at the next start, whatever is set then.
	conn := connect(t, s)
	exec(t, conn, "SET synchronous_commit = off")
	exec(t, conn, insert, "b", 1)
	exec(t, conn, "SELECT FROM tiercache.sequence()")
	_, head = follow(t, s, head)
	stop(server)
	server = start()
	testkit.Eventually(t, 10*time.Second, func() error { _, err := s.Poll(ctx, head); return err })
	wantTerm(t, s, head, "soft")
}
