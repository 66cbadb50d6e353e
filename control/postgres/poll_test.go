package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/controllog"
	"tiercache/shared/testkit"
)

func TestPoll_TheLogBeginsAtTheClock(t *testing.T) {
	s := open(t, Config{})
	before := time.Now().Add(-time.Minute)
	p := poll1(t, s, 0)
	if len(p.Rows) != 1 || p.Rows[0].Kind != "term" || p.Rows[0].Prev != 0 || p.Rows[0].Epoch != p.Head || p.Compacted {
		t.Fatalf("a new log: %+v", p)
	}
	if at := time.UnixMicro(int64(p.Head)); at.Before(before) || at.After(time.Now().Add(time.Minute)) {
		t.Errorf("the first epoch is %d, which is %v", p.Head, at)
	}
	e, err := p.Rows[0].Entry()
	if err != nil || e.Term.Reason == "" || e.Term.Purge != "" {
		t.Errorf("the first entry is %+v (%v)", e.Term, err)
	}
	if again := poll1(t, s, p.Head); again.Head != p.Head || len(again.Rows) != 0 {
		t.Errorf("polled again: %+v", again)
	}
}

func TestPoll_CommitMeansEntryRollbackMeansNone(t *testing.T) {
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	conn := connect(t, s)
	exec(t, conn, "BEGIN")
	exec(t, conn, insert, "late", 1)
	execute(t, s, insert, "early", 2)
	rows, head := follow(t, s, head)
	wantIDs(t, rows, "early-1", "early-2")
	exec(t, conn, "COMMIT")
	rows, head = follow(t, s, head)
	wantIDs(t, rows, "late-1")
	exec(t, conn, "BEGIN")
	exec(t, conn, insert, "never", 1)
	exec(t, conn, "ROLLBACK")
	rows, head = follow(t, s, head)
	wantIDs(t, rows)
	if epoch, err := s.EpochOf(context.Background(), "late-1"); err != nil || epoch != head {
		t.Errorf("epoch of the last one: %d, %v; the head is %d", epoch, err, head)
	}
	if _, err := s.EpochOf(context.Background(), "never-1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("epoch of what was rolled back: %v", err)
	}
}

// Rows of a transaction with savepoints carry its own id, not that of the savepoint.
func TestPoll_Savepoints(t *testing.T) {
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	conn := connect(t, s)
	exec(t, conn, "BEGIN")
	exec(t, conn, "SAVEPOINT a")
	exec(t, conn, insert, "gone", 1)
	exec(t, conn, "ROLLBACK TO a")
	exec(t, conn, "SAVEPOINT b")
	exec(t, conn, insert, "kept", 1)
	execute(t, s, insert, "other", 1)
	rows, head := follow(t, s, head)
	wantIDs(t, rows, "other-1")
	exec(t, conn, "COMMIT")
	rows, _ = follow(t, s, head)
	wantIDs(t, rows, "kept-1")
}

func TestPoll_ManyWritersEachCommitOnceInOneChain(t *testing.T) {
	const writers, each = 12, 120
	s := open(t, Config{MaxConns: 20})
	start := poll1(t, s, 0).Head
	var committed sync.Map
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(writers)
	for w := range writers {
		wg.Go(func() {
			defer left.Add(-1)
			conn, err := pgx.Connect(context.Background(), s.cfg.URL)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close(context.Background())
			random := rand.New(rand.NewPCG(uint64(w), 7))
			for i := range each {
				if err := writeSome(conn, random, fmt.Sprintf("%d-%d", w, i), &committed); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	// Two that poll, as two control nodes do, and writers that sequence on their own.
	var last atomic.Uint64
	for range 2 {
		wg.Go(func() {
			for left.Load() > 0 {
				p, err := s.Poll(context.Background(), last.Load())
				if err != nil {
					t.Error(err)
					return
				}
				last.Store(p.Head)
			}
		})
	}
	wg.Wait()
	rows, _ := follow(t, s, start)
	found := map[string]bool{}
	for _, r := range rows {
		if _, ok := committed.Load(r.ID); !ok {
			t.Errorf("%s is in the log, and was not committed", r.ID)
		}
		if found[r.ID] {
			t.Errorf("%s is in the log twice", r.ID)
		}
		found[r.ID] = true
	}
	want := 0
	committed.Range(func(id, _ any) bool {
		want++
		if !found[id.(string)] {
			t.Errorf("%s was committed, and is not in the log", id)
		}
		return true
	})
	if n := value[int](t, s, "SELECT count(*) FROM tiercache.outbox"); n != 0 {
		t.Errorf("%d rows are left in the outbox", n)
	}
	t.Logf("%d rows of %d transactions", want, writers*each)
}

// writeSome is one transaction of 1 to 3 rows, of which one in four is rolled back and one in four stays open
// while others commit.
func writeSome(conn *pgx.Conn, random *rand.Rand, name string, committed *sync.Map) error {
	ctx := context.Background()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	n := 1 + random.IntN(3)
	if _, err := tx.Exec(ctx, insert, name, n); err != nil {
		return err
	}
	switch random.IntN(4) {
	case 0:
		return tx.Rollback(ctx)
	case 1:
		if _, err := tx.Exec(ctx, "SELECT pg_sleep(0.01)"); err != nil {
			return err
		}
	}
	for i := range n {
		committed.Store(fmt.Sprintf("%s-%d", name, i+1), true) // before the commit: it may be sequenced at once
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	if random.IntN(2) == 0 {
		_, err = conn.Exec(ctx, "SELECT FROM tiercache.sequence()")
	}
	return err
}

// Whoever waited for the lock must see what the one before it has moved, and not number it again.
func TestSequence_WhoWaitedSeesWhatTheOtherDid(t *testing.T) {
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	execute(t, s, insert, "a", 3)
	first, second := connect(t, s), connect(t, s)
	exec(t, first, "BEGIN")
	exec(t, first, "SELECT FROM tiercache.sequence()")
	done := make(chan error, 1)
	go func() {
		_, err := second.Exec(context.Background(), "SELECT FROM tiercache.sequence()")
		done <- err
	}()
	testkit.Eventually(t, 10*time.Second, func() error {
		if n := value[int](t, s, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"); n != 1 {
			return fmt.Errorf("%d wait for the lock", n)
		}
		return nil
	})
	exec(t, first, "COMMIT")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	rows, _ := follow(t, s, head)
	wantIDs(t, rows, "a-1", "a-2", "a-3")
}

func TestSequence_RefusesOtherIsolationLevels(t *testing.T) {
	s := open(t, Config{})
	conn := connect(t, s)
	for _, level := range []string{"REPEATABLE READ", "SERIALIZABLE"} {
		exec(t, conn, "BEGIN ISOLATION LEVEL "+level)
		_, err := conn.Exec(context.Background(), "SELECT FROM tiercache.sequence()")
		if err == nil || !strings.Contains(err.Error(), "READ COMMITTED") {
			t.Errorf("%s: %v", level, err)
		}
		exec(t, conn, "ROLLBACK")
	}
	execute(t, s, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$`)
	s.pool.Load().Reset()
	if _, err := s.Poll(context.Background(), 0); err != nil {
		t.Errorf("a database whose default is serializable: %v", err)
	}
}

// The setting must reach to the commit, beyond the function, which sets others for itself.
func TestSequence_WaitsForTheDisk(t *testing.T) {
	s := open(t, Config{})
	conn := connect(t, s)
	exec(t, conn, "SET synchronous_commit = off")
	for _, rows := range []int{0, 1} {
		exec(t, conn, "BEGIN")
		exec(t, conn, insert, "x", rows)
		exec(t, conn, "SELECT FROM tiercache.sequence()")
		var setting, seqscan string
		if err := conn.QueryRow(context.Background(), "SELECT current_setting('synchronous_commit'), current_setting('enable_seqscan')").Scan(&setting, &seqscan); err != nil {
			t.Fatal(err)
		}
		exec(t, conn, "COMMIT")
		if want := []string{"off", "on"}[rows]; setting != want || seqscan != "on" {
			t.Errorf("after %d rows: synchronous_commit %s, want %s; enable_seqscan %s", rows, setting, want, seqscan)
		}
	}
}

func TestPoll_MoreThanOneBatchAtOnce(t *testing.T) {
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	conn := connect(t, s)
	exec(t, conn, "BEGIN")
	exec(t, conn, insert, "slow", 15_000)
	execute(t, s, insert, "big", 2*sequenceBatch+500)
	rows, head := follow(t, s, head)
	if len(rows) != 2*sequenceBatch+500 || rows[0].ID != "big-1" || rows[len(rows)-1].ID != "big-20500" {
		t.Fatalf("%d rows", len(rows))
	}
	exec(t, conn, "COMMIT")
	if p := poll1(t, s, head); p.Head != head+sequenceBatch || !p.More || len(p.Rows) != sequenceBatch || p.Rows[0].ID != "slow-1" {
		t.Errorf("after the slow one: head %d (%d behind), %d rows, more: %t", p.Head, p.Head-head, len(p.Rows), p.More)
	}
	rows, _ = follow(t, s, head)
	if len(rows) != 15_000 {
		t.Errorf("%d rows of the slow one", len(rows))
	}
}

// A batch that was full has not seen all, whoever asks next, unless it has taken all there was.
func TestSequence_AFullBatchIsGoneOnWith(t *testing.T) {
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	execute(t, s, insert, "a", 10)
	for _, more := range []bool{true, false} {
		execute(t, s, "SELECT FROM tiercache.sequence(5)")
		if got := value[bool](t, s, "SELECT more FROM tiercache.log ORDER BY epoch DESC LIMIT 1"); got != more {
			t.Errorf("there is more: %t, want %t", got, more)
		}
	}
	execute(t, s, insert, "b", 7)
	execute(t, s, "SELECT FROM tiercache.sequence(5)")
	rows, _ := follow(t, s, head)
	if len(rows) != 17 || rows[16].ID != "b-7" {
		t.Errorf("the log has %v", ids(rows))
	}
}

func TestPoll_BoundsOneAnswer(t *testing.T) {
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	execute(t, s, `INSERT INTO tiercache.outbox (id, kind, body) SELECT 'x' || n, 'purge', jsonb_build_object('tags', jsonb_build_array(repeat('t', 1000000))) FROM generate_series(1, 10) n`)
	p := poll1(t, s, head)
	if len(p.Rows) != 5 || p.Head != head+10 || p.More {
		t.Errorf("%d rows of 1 MB at once, head %d, more: %t", len(p.Rows), p.Head, p.More)
	}
	execute(t, s, `INSERT INTO tiercache.outbox (id, kind, body) VALUES ('big', 'purge', jsonb_build_object('tags', jsonb_build_array(repeat('t', 9000000))))`)
	if p := poll1(t, s, head+10); len(p.Rows) != 1 || len(p.Rows[0].Body) < 9_000_000 {
		t.Errorf("a large one alone: %d rows", len(p.Rows))
	}
}

func TestOutbox_RefusesWhatNoNodeUnderstands(t *testing.T) {
	s := open(t, Config{})
	for _, values := range []string{`('a', 'term', '{}')`, `('a', 'nonsense', '{}')`, `('', 'purge', '{}')`, `('a', 'purge', NULL)`,
		`('a', 'purge', jsonb_build_object('x', repeat('y', 17000000)))`} {
		if _, err := s.pool.Load().Exec(context.Background(), `INSERT INTO tiercache.outbox (id, kind, body) VALUES `+values); err == nil {
			t.Errorf("the outbox takes %.40s", values)
		}
	}
}

// An id that comes again must not stop the log for all.
func TestPoll_AnIDUsedTwice(t *testing.T) {
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	for range 2 {
		execute(t, s, insert, "same", 1)
		poll1(t, s, 0)
	}
	rows, last := follow(t, s, head)
	wantIDs(t, rows, "same-1", "same-1")
	if epoch, err := s.EpochOf(context.Background(), "same-1"); err != nil || epoch != last {
		t.Errorf("epoch %d, %v", epoch, err)
	}
}

func TestLog_GivesNoNumbers(t *testing.T) {
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	execute(t, s, insert, "a", 1)
	if rows, err := s.Log(context.Background(), head); err != nil || len(rows) != 0 {
		t.Errorf("before the poll: %v, %v", rows, err)
	}
	poll1(t, s, head)
	rows, err := s.Log(context.Background(), head)
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, rows, "a-1")
	if e, err := rows[0].Entry(); err != nil || e.Kind != controllog.KindPurge || len(e.Scopes) != 1 {
		t.Errorf("the entry: %+v, %v", e, err)
	}
}
