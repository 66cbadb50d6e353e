package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// pages is how many pages a call of sequence() looks at, in memory or not.
func pages(t testing.TB, s *Store) int {
	t.Helper()
	return pagesOf(t, s, "SELECT FROM tiercache.sequence()")
}

// pagesOf is how many pages a statement looks at.
func pagesOf(t testing.TB, s *Store, statement string, args ...any) int {
	t.Helper()
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	plan := value[[]byte](t, s, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+statement, args...)
	if err := json.Unmarshal(plan, &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan.Hit + plans[0].Plan.Read
}

// situations are what an idle poll must not suffer from. Autovacuum is off: it would clean up at some moment.
func situations(dead int) map[string]func(t testing.TB, s *Store) {
	noVacuum := func(t testing.TB, s *Store) {
		execute(t, s, "ALTER TABLE tiercache.outbox SET (autovacuum_enabled = false)")
		poll1(t, s, 0) // plans are made while the table is small
	}
	inBatches := func(t testing.TB, s *Store) {
		for i := range dead / 1000 {
			execute(t, s, insert, fmt.Sprint(i), 1000)
			execute(t, s, "SELECT FROM tiercache.sequence()")
		}
	}
	behind := func(begin, first string) func(t testing.TB, s *Store) {
		return func(t testing.TB, s *Store) {
			noVacuum(t, s)
			conn := connect(t, s)
			exec(t, conn, begin)
			exec(t, conn, first)
			inBatches(t, s)
		}
	}
	return map[string]func(t testing.TB, s *Store){
		"empty":         noVacuum,
		"dead rows":     func(t testing.TB, s *Store) { noVacuum(t, s); inBatches(t, s) },
		"open snapshot": behind("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM tiercache.log"),
		"open writer":   behind("BEGIN", "CREATE TABLE elsewhere AS SELECT 1"),
		"dead rows at once": func(t testing.TB, s *Store) {
			noVacuum(t, s)
			execute(t, s, insert, "x", dead)
			poll1(t, s, 0)
		},
		"rolled back": func(t testing.TB, s *Store) {
			noVacuum(t, s)
			conn := connect(t, s)
			exec(t, conn, "BEGIN")
			exec(t, conn, insert, "x", dead)
			exec(t, conn, "ROLLBACK")
			poll1(t, s, 0)
		},
	}
}

func TestSequence_IdleCostsTheSameWhateverThereWas(t *testing.T) {
	for name, arrange := range situations(20_000) {
		t.Run(name, func(t *testing.T) {
			s := open(t, Config{MaxConns: 1}) // so that the plans of one session are those that are measured
			arrange(t, s)
			pages(t, s) // notes on dead index entries are left by the first one that finds them
			limit := 40
			if name == "rolled back" {
				limit = 100 // the index pages of those rows, until a vacuum or the next entry
			}
			if got := pages(t, s); got > limit {
				t.Errorf("an idle sequence() looks at %d pages, limit %d", got, limit)
			}
			head := int64(poll1(t, s, 1<<62).Head)
			if got := pagesOf(t, s, selectLog, head, maxRows, maxBytes); got > 20 {
				t.Errorf("to read that there is nothing looks at %d pages", got)
			}
			pagesOf(t, s, selectBacklog, MaxBacklog)
			if got := pagesOf(t, s, selectBacklog, MaxBacklog); got > limit {
				t.Errorf("to count what waits looks at %d pages, limit %d", got, limit)
			}
		})
	}
}

// A backlog that fills its last batch exactly leaves nothing that is to be passed at each lookup.
func TestSequence_AJustFullBatchLeavesNothingToPass(t *testing.T) {
	const batch = 5000
	s := open(t, Config{MaxConns: 1})
	execute(t, s, "ALTER TABLE tiercache.outbox SET (autovacuum_enabled = false)")
	poll1(t, s, 0)
	conn := connect(t, s)
	exec(t, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ")
	exec(t, conn, "SELECT count(*) FROM tiercache.log") // so that dead rows stay
	execute(t, s, insert, "x", 4*batch)
	for range 4 {
		execute(t, s, "SELECT FROM tiercache.sequence($1)", batch)
	}
	if got := pages(t, s); got > 60 { // 500 and more if it has to pass them
		t.Errorf("the next sequence() looks at %d pages", got)
	}
	if left := value[int](t, s, "SELECT count(*) FROM tiercache.outbox"); left != 0 {
		t.Errorf("%d rows are left", left)
	}
}

func BenchmarkPoll_Idle(b *testing.B) {
	for name, arrange := range situations(300_000) {
		b.Run(name, func(b *testing.B) {
			s := open(b, Config{MaxConns: 1})
			arrange(b, s)
			head := poll1(b, s, 1<<62).Head
			b.ResetTimer()
			for b.Loop() {
				poll1(b, s, head)
			}
			b.StopTimer()
			b.ReportMetric(float64(pages(b, s)+pagesOf(b, s, selectLog, int64(head), maxRows, maxBytes)), "pages/op")
		})
	}
}

// One poll that moves 100 rows, and one whole write: insert, commit, poll.
func BenchmarkPoll_Moving(b *testing.B) {
	for _, rows := range []int{1, 100} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			s := open(b, Config{MaxConns: 1})
			head, i := poll1(b, s, 1<<62).Head, 0
			var polls time.Duration
			for b.Loop() {
				i++
				execute(b, s, insert, fmt.Sprint(i), rows)
				began := time.Now()
				p, err := s.Poll(context.Background(), head)
				polls += time.Since(began)
				if err != nil || len(p.Rows) != rows {
					b.Fatal(len(p.Rows), err)
				}
				head = p.Head
			}
			b.ReportMetric(float64(polls.Nanoseconds())/float64(i), "ns/poll")
		})
	}
}
