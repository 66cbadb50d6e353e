package sequencer

import (
	"context"
	"slices"
	"sync"
	"testing"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
	"tiercache/shared/testkit"
)

// told are the ids of the entries that a sequencer tells its subscribers.
type told struct {
	mu  sync.Mutex
	ids []string
}

func (l *told) subscribe(t testing.TB, s *Sequencer) {
	t.Cleanup(s.Subscribe(func(entries []controllog.Entry) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for i := range entries {
			l.ids = append(l.ids, entries[i].ID)
		}
	}))
}

func (l *told) want(t testing.TB, ids ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.ids, ids) {
		t.Errorf("told of %v, want %v", l.ids, ids)
	}
}

// openUnderWay is a store whose log has an entry: with the first one the server notes that it runs without fsync, in a row
// that a store that starts writes as well, and a purge that would wait for that gets no epoch at once.
func openUnderWay(t *testing.T) *postgres.Store {
	t.Helper()
	store := openStore(t, postgres.Config{URL: testkit.Postgres(t)})
	add(t, store, "first")
	if _, err := store.Poll(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestOffer_IsAppliedWithoutAPoll(t *testing.T) {
	store := openUnderWay(t)
	s := follow(t, store, rarely)
	var l told
	l.subscribe(t, s)
	store.Sequenced = s.Offer
	head(t, s) // the first one may have left a call for another pass
	polls := s.stats.Polls.Load()
	add(t, store, "p")
	if epoch, ok := s.EpochOf("p/0"); !ok || epoch != s.Applied() || s.stats.Polls.Load() != polls {
		t.Errorf("epoch %d %t, applied %d, %d polls", epoch, ok, s.Applied(), s.stats.Polls.Load()-polls)
	}
	l.want(t, "p/0")
	if got := head(t, s); got != s.Applied() {
		t.Errorf("head %d, applied %d", got, s.Applied())
	}
	l.want(t, "p/0") // the poll has brought nothing twice
}

// What another node has given numbers before, and this one has not read, comes first.
func TestOffer_BehindAGap(t *testing.T) {
	store := openUnderWay(t)
	s := follow(t, store, rarely)
	var l told
	l.subscribe(t, s)
	add(t, store, "unseen")
	store.Sequenced = s.Offer
	add(t, store, "p")
	testkit.Eventually(t, deadline, func() error { // by the poll that the offer has called for, and no other
		if _, ok := s.EpochOf("p/0"); !ok {
			return controllog.ErrGap
		}
		return nil
	})
	l.want(t, "unseen/0", "p/0")
}

func TestOffer_AgainAndWhenNobodyTakesIt(t *testing.T) {
	store := openUnderWay(t)
	s := follow(t, store, rarely)
	var l told
	l.subscribe(t, s)
	var rows []controllog.Row
	store.Sequenced = func(_ context.Context, r []controllog.Row) { rows = append(rows, r...) }
	add(t, store, "p")
	for range 2 {
		s.Offer(t.Context(), rows)
	}
	l.want(t, "p/0")
	idle := New(Config{}, Deps{Log: store})
	idle.Offer(t.Context(), rows) // returns, although it does not run
	if idle.Applied() != 0 {
		t.Errorf("applied %d", idle.Applied())
	}
}
