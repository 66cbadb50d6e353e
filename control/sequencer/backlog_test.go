package sequencer

import (
	"sync"
	"testing"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
	"tiercache/shared/testkit"
)

// What is waiting reaches those who follow in parts, and the head is told when nothing is left.
func TestSequencer_ABacklogGoesOutBatchByBatch(t *testing.T) {
	const rows, batch = 25_000, 10_000
	url := testkit.Postgres(t)
	store := openStore(t, postgres.Config{URL: url})
	s := follow(t, store, rarely)
	before := head(t, s)
	var mu sync.Mutex
	var told []int
	defer s.Subscribe(func(entries []controllog.Entry) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, len(entries))
	})()
	testkit.Execute(t, url, `INSERT INTO tiercache.outbox (kind, body) SELECT 'purge', '{"tags": ["x"]}' FROM generate_series(1, 25000)`)
	if got := head(t, s); got != before+rows {
		t.Errorf("the head is %d, want %d", got, before+rows)
	}
	mu.Lock()
	defer mu.Unlock()
	sum := 0
	for _, n := range told {
		sum += n
		if n > batch {
			t.Errorf("%d entries at once", n)
		}
	}
	if len(told) < 3 || sum != rows {
		t.Errorf("told %v", told)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.mu.tail.entries); n > maxTailEntries {
		t.Errorf("%d entries are kept in memory", n)
	}
}
