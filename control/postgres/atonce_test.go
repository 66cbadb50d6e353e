package postgres

import (
	"context"
	"testing"

	"tiercache/shared/controllog"
)

// sequencedBy keeps what a store has given epochs at once.
func sequencedBy(s *Store) *[]controllog.Row {
	rows := new([]controllog.Row)
	s.Sequenced = func(_ context.Context, r []controllog.Row) { *rows = append(*rows, r...) }
	return rows
}

// underWay is the head of a log that has an entry: with the first one the server notes that it runs without fsync, in a row
// that a store that starts writes as well, and who numbers at once does not wait for that.
func underWay(t *testing.T, s *Store) (head uint64) {
	t.Helper()
	execute(t, s, insert, "first", 1)
	_, head = follow(t, s, 0)
	return head
}

func TestAtOnce_APurgeHasItsEpochsWhenItIsCommitted(t *testing.T) {
	s := open(t, Config{})
	head := underWay(t, s)
	at := sequencedBy(s)
	execute(t, s, insert, "before", 1)
	record := addPurge(t, s, "p", "", "x", "y")
	log, _ := follow(t, s, head)
	wantIDs(t, *at, "before-1", "p/0", "p/1")
	wantIDs(t, log, "before-1", "p/0", "p/1")
	for i := range log {
		if got := (*at)[i]; got.Epoch != log[i].Epoch || got.Prev != log[i].Prev || got.Chain != log[i].Chain || got.PrevChain != log[i].PrevChain ||
			got.Kind != log[i].Kind || string(got.Body) != string(log[i].Body) || !got.Time.Equal(log[i].Time) {
			t.Errorf("told %+v, the log has %+v", got, log[i])
		}
	}
	if record.First != log[1].Epoch || record.Last != log[2].Epoch {
		t.Errorf("the purge has %d to %d", record.First, record.Last)
	}
}

func TestAtOnce_WaitsForNobody(t *testing.T) {
	s := open(t, Config{})
	head := underWay(t, s)
	at := sequencedBy(s)
	other := connect(t, s)
	exec(t, other, "BEGIN")
	exec(t, other, "SELECT FROM tiercache.sequence()")
	if record := addPurge(t, s, "p", "", "x"); record.Last != 0 || len(*at) != 0 {
		t.Errorf("it has epoch %d while somebody else gives numbers", record.Last)
	}
	exec(t, other, "COMMIT")
	rows, _ := follow(t, s, head)
	wantIDs(t, rows, "p/0")
}

func TestAtOnce_WhatFailsCostsNoWrite(t *testing.T) {
	s := open(t, Config{})
	head := underWay(t, s)
	at := sequencedBy(s)
	execute(t, s, "ALTER TABLE tiercache.log ADD CONSTRAINT broken CHECK (kind <> 'purge') NOT VALID")
	if record := addPurge(t, s, "p", "", "x"); record.Last != 0 || len(*at) != 0 {
		t.Errorf("it has epoch %d", record.Last)
	}
	execute(t, s, "ALTER TABLE tiercache.log DROP CONSTRAINT broken")
	rows, _ := follow(t, s, head)
	wantIDs(t, rows, "p/0")
}

func TestAtOnce_RollbackMeansNone(t *testing.T) {
	s := open(t, Config{})
	head := underWay(t, s)
	conn := connect(t, s)
	execute(t, s, insert, "committed", 1)
	exec(t, conn, "BEGIN")
	exec(t, conn, insert, "never", 1)
	exec(t, conn, "SELECT FROM tiercache.sequence_at_once(10)")
	exec(t, conn, "ROLLBACK")
	rows, _ := follow(t, s, head)
	wantIDs(t, rows, "committed-1")
}

// Who writes and numbers in one transaction has a transaction id from before; those of others that are still open when it
// commits are below those that it has seen.
func TestAtOnce_LosesNobodyWhoCommitsLater(t *testing.T) {
	s := open(t, Config{})
	head := underWay(t, s)
	early, late := connect(t, s), connect(t, s)
	exec(t, early, "BEGIN")
	exec(t, early, insert, "early", 1)
	exec(t, late, "BEGIN")
	exec(t, late, insert, "late", 1)
	exec(t, late, "SELECT FROM tiercache.sequence_at_once(10)")
	exec(t, late, "COMMIT")
	exec(t, early, "COMMIT")
	rows, head := follow(t, s, head)
	wantIDs(t, rows, "late-1", "early-1")
	exec(t, early, "BEGIN")
	exec(t, early, insert, "again", 1)
	addPurge(t, s, "p", "", "x")
	exec(t, early, "SELECT FROM tiercache.sequence_at_once(10)")
	exec(t, early, "COMMIT")
	addPurge(t, s, "q", "", "x")
	rows, _ = follow(t, s, head)
	wantIDs(t, rows, "p/0", "again-1", "q/0")
}

func TestAtOnce_ABacklogIsLeftToOthers(t *testing.T) {
	s := open(t, Config{})
	head := underWay(t, s)
	at := sequencedBy(s)
	execute(t, s, insert, "many", 10*atOnceBatch)
	if record := addPurge(t, s, "p", "", "x"); record.Last != 0 || len(*at) != atOnceBatch {
		t.Errorf("it has epoch %d, and moved %d rows", record.Last, len(*at))
	}
	rows, _ := follow(t, s, head)
	if n := 10*atOnceBatch + 1; len(rows) != n || rows[n-1].ID != "p/0" {
		t.Errorf("%d entries, the last is %s", len(rows), rows[len(rows)-1].ID)
	}
}
