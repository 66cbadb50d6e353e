package sequencer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

const deadline = 20 * time.Second

// openStore runs a store until the test ends.
func openStore(t testing.TB, cfg postgres.Config) *postgres.Store {
	t.Helper()
	health := runner.NewHealth()
	s, err := postgres.New(cfg, slog.New(slog.DiscardHandler), health.Component("postgres", true))
	if err != nil {
		t.Fatal(err)
	}
	part(t, "store", s.Run)
	testkit.Eventually(t, deadline, func() error {
		_, err := s.Members(t.Context())
		return err
	})
	return s
}

// part runs something until the returned function or the test's end stops it.
func part(t testing.TB, name string, run func(context.Context, func()) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- run(ctx, sync.OnceFunc(func() { close(ready) })) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("%s: %v", name, err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// follow runs a sequencer that has nothing but its log, unless change gives it more.
func follow(t testing.TB, log Log, change func(*Config, *Deps)) *Sequencer {
	t.Helper()
	cfg, deps := Config{}, Deps{Log: log}
	if change != nil {
		change(&cfg, &deps)
	}
	s := New(cfg, deps)
	part(t, "sequencer", s.Run)
	head(t, s)
	return s
}

// head asks until there is an answer.
func head(t testing.TB, s *Sequencer) uint64 {
	t.Helper()
	var epoch uint64
	testkit.Eventually(t, deadline, func() (err error) {
		epoch, err = s.Head(t.Context())
		return err
	})
	return epoch
}

// add commits a purge of a tag.
func add(t testing.TB, s *postgres.Store, id string) {
	t.Helper()
	_, _, err := s.AddPurge(t.Context(), postgres.NewPurge{ID: id, Request: []byte("{}"), Entries: []controllog.Purge{{Tags: []string{id}}}})
	if err != nil {
		t.Fatal(err)
	}
}

// rarely is an interval at which no poll happens that nobody asked for.
func rarely(c *Config, _ *Deps) { c.Interval = time.Hour }

func TestSequencer_HeadCoversWhatWasCommittedBefore(t *testing.T) {
	store := openStore(t, postgres.Config{URL: testkit.Postgres(t)})
	s := follow(t, store, rarely)
	var before uint64
	for i := range 50 {
		id := fmt.Sprintf("p%d", i)
		add(t, store, id)
		epoch := head(t, s)
		got, ok := s.EpochOf(id + "/0")
		if !ok || got != epoch || got <= before || s.Applied() != epoch {
			t.Fatalf("%s: epoch %d %v, head %d, applied %d, before %d", id, got, ok, epoch, s.Applied(), before)
		}
		before = epoch
	}
}

// gate is a log whose polls wait to be let through.
type gate struct {
	Log
	entered, let chan struct{}
}

func (g *gate) Poll(ctx context.Context, after uint64) (postgres.Poll, error) {
	p, err := g.Log.Poll(ctx, after)
	g.entered <- struct{}{}
	<-g.let
	return p, err
}

func TestSequencer_WhoAsksDuringAReadIsToldOfTheNextOne(t *testing.T) {
	store := openStore(t, postgres.Config{URL: testkit.Postgres(t)})
	g := &gate{store, make(chan struct{}), make(chan struct{})}
	s := New(Config{Interval: time.Hour}, Deps{Log: g})
	part(t, "sequencer", s.Run)
	<-g.entered // the first read, which sees nothing of what follows, is done and not yet told
	add(t, store, "late")
	asked, err := s.join()
	if err != nil {
		t.Fatal(err)
	}
	g.let <- struct{}{}
	select {
	case <-asked.done:
		t.Fatalf("told %d by a read that began before the question", asked.head)
	case <-g.entered:
	}
	g.let <- struct{}{}
	<-asked.done
	if epoch, ok := s.EpochOf("late/0"); !ok || asked.head != epoch {
		t.Errorf("told %d, the entry is %d", asked.head, epoch)
	}
}

func TestSequencer_OneReadServesAllWhoWait(t *testing.T) {
	store := openStore(t, postgres.Config{URL: testkit.Postgres(t)})
	g := &gate{store, make(chan struct{}), make(chan struct{})}
	s := New(Config{Interval: time.Hour}, Deps{Log: g})
	part(t, "sequencer", s.Run)
	<-g.entered
	waiting := make([]*pass, 100)
	for i := range waiting {
		waiting[i], _ = s.join()
	}
	g.let <- struct{}{}
	<-g.entered
	g.let <- struct{}{}
	for _, p := range waiting {
		<-p.done
	}
	if got := s.Stats().Polls.Load(); got > 2 {
		t.Errorf("%d reads", got)
	}
}

func TestSequencer_TellsEachEntryOnceInOrder(t *testing.T) {
	store := openStore(t, postgres.Config{URL: testkit.Postgres(t)})
	s := New(Config{}, Deps{Log: store})
	var mu sync.Mutex
	var told []controllog.Entry
	s.Subscribe(func(entries []controllog.Entry) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, entries...)
	})
	part(t, "sequencer", s.Run)
	head(t, s)
	const writers, each = 8, 40
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				if _, _, err := store.AddPurge(t.Context(), postgres.NewPurge{ID: id, Request: []byte("{}"), Entries: []controllog.Purge{{Tags: []string{id}}}}); err != nil {
					t.Error(err)
				}
				if i%3 == 0 { // somebody else sequences too
					if _, err := store.Poll(t.Context(), 0); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	last := head(t, s)
	mu.Lock()
	defer mu.Unlock()
	if len(told) != writers*each || told[len(told)-1].Epoch != last {
		t.Fatalf("told %d entries, the last %d, head %d", len(told), told[len(told)-1].Epoch, last)
	}
	for i := 1; i < len(told); i++ {
		if told[i].Prev != told[i-1].Epoch {
			t.Fatalf("%d follows %d", told[i].Epoch, told[i-1].Epoch)
		}
	}
}

func TestSequencer_KeepsUpWithABacklog(t *testing.T) {
	url := testkit.Postgres(t)
	store := openStore(t, postgres.Config{URL: url})
	s := follow(t, store, rarely)
	before := s.Applied()
	testkit.Execute(t, url, `INSERT INTO tiercache.outbox (id, kind, body) SELECT 'b' || n, 'purge', '{"tags":["x"]}' FROM generate_series(1, 3500) n`)
	if got := head(t, s); got != before+3500 || s.Applied() != got {
		t.Errorf("head %d, applied %d, before %d", got, s.Applied(), before)
	}
}

func TestSequencer_EntriesFromMemoryAndFromPostgreSQLAreTheSame(t *testing.T) {
	store := openStore(t, postgres.Config{URL: testkit.Postgres(t)})
	s := follow(t, store, rarely)
	first := s.Applied()
	for i := range 20 {
		add(t, store, fmt.Sprintf("p%d", i))
	}
	last := head(t, s)
	memory, _, err := s.Entries(t.Context(), first, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	stored, storedHead, err := s.stored(t.Context(), first, 1<<20)
	if err != nil || storedHead != last || !slices.Equal(memory, stored) {
		t.Errorf("%d bytes in memory, %d stored, head %d, %v", len(memory), len(stored), storedHead, err)
	}
	entries, err := controllog.DecodeEntries(memory)
	if err != nil || len(entries) != 20 || entries[0].Prev != first || entries[19].Epoch != last {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	for _, limit := range []int{1, 300} {
		memory, _, _ := s.Entries(t.Context(), first, limit)
		stored, _, _ := s.stored(t.Context(), first, limit)
		if len(memory) == 0 || !slices.Equal(memory, stored) {
			t.Errorf("limit %d: %d bytes in memory, %d stored", limit, len(memory), len(stored))
		}
	}
	if b, at, err := s.Entries(t.Context(), last, 1<<20); err != nil || len(b) != 0 || at != last {
		t.Errorf("behind the head: %d bytes, %d, %v", len(b), at, err)
	}
}

func TestSequencer_StartsFromWhatIsKept(t *testing.T) {
	store := openStore(t, postgres.Config{URL: testkit.Postgres(t)})
	s := follow(t, store, nil)
	for i := range 30 {
		add(t, store, fmt.Sprintf("p%d", i))
	}
	last := head(t, s)
	again := follow(t, store, nil)
	a, at, err := s.Image()
	b, bt, err2 := again.Image()
	if err != nil || err2 != nil || at != last || bt != last || !slices.Equal(a, b) {
		t.Errorf("images of %d and %d bytes at %d and %d, head %d: %v, %v", len(a), len(b), at, bt, last, err, err2)
	}
}
