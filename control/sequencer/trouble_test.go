package sequencer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/bus"
	"tiercache/shared/bus/natsd"
	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

func TestSequencer_PostgreSQLIsAwayAndComesBack(t *testing.T) {
	server := testkit.PostgresProc(t)
	store := openStore(t, postgres.Config{URL: server.URL})
	health := runner.NewHealth()
	s := follow(t, store, func(_ *Config, d *Deps) { d.Health = health.Component("log", true) })
	before := head(t, s)
	server.Kill9()
	testkit.Eventually(t, deadline, func() error {
		if _, err := s.Head(t.Context()); !errors.Is(err, postgres.ErrUnavailable) {
			return fmt.Errorf("head: %v", err)
		}
		if health.Ready() {
			return errors.New("ready")
		}
		return nil
	})
	server.Restart()
	after := head(t, s)
	if after <= before {
		t.Errorf("head %d after the restart, %d before: a server that was started is another term", after, before)
	}
	testkit.Eventually(t, deadline, func() error {
		if !health.Ready() {
			return errors.New("not ready")
		}
		return nil
	})
}

func TestSequencer_StoppedIsAnError(t *testing.T) {
	store := openStore(t, postgres.Config{URL: testkit.Postgres(t)})
	g := &gate{store, make(chan struct{}), make(chan struct{})}
	s := New(Config{Interval: time.Hour}, Deps{Log: g})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, func() {}) }()
	<-g.entered
	p, _ := s.join()
	cancel()
	go func() { // a pass for those who wait may begin before the end is seen
		for range g.entered {
			g.let <- struct{}{}
		}
	}()
	g.let <- struct{}{}
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-p.done
	if _, err := s.Head(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v", err)
	}
	close(g.entered)
}

// TestSequencer_SetBack is PostgreSQL restored from an older copy, so that this node, and then another one,
// have applied what the log does not have.
func TestSequencer_SetBack(t *testing.T) {
	url := testkit.Postgres(t)
	store := openStore(t, postgres.Config{URL: url})
	s := follow(t, store, nil)
	kept := head(t, s)
	scope := []object.Scope{invalidation.TagScope("", "lost")}
	add(t, store, "lost")
	lost := head(t, s)
	testkit.Execute(t, url, fmt.Sprintf(`DELETE FROM tiercache.log WHERE epoch > %d`, kept))
	testkit.Eventually(t, deadline, func() error {
		if s.Stats().Resets.Load() == 0 {
			return errors.New("not reset")
		}
		return nil
	})
	after := head(t, s)
	if after <= lost {
		t.Fatalf("head %d, %d had been given out", after, lost)
	}
	replica := imageOf(t, s)
	for stamp, want := range map[uint64]invalidation.Verdict{lost: invalidation.Dead, kept: invalidation.Stale, after: invalidation.Live} {
		if got := replica.Index().Check(stamp, scope); got != want {
			t.Errorf("stamp %d is %v, not %v (kept %d, lost %d, after %d)", stamp, got, want, kept, lost, after)
		}
	}
}

// TestSequencer_PutBackFileByFile is a base backup in the place of the database: its server has the identifier and the timeline
// that it had, and begins a term above all that was lost. This node alone knows what is missing.
func TestSequencer_PutBackFileByFile(t *testing.T) {
	server := testkit.PostgresCluster(t)
	store := openStore(t, postgres.Config{URL: server.URL})
	s := follow(t, store, nil)
	kept := head(t, s)
	backup := server.Backup(server.Port(), "-X", "fetch")
	add(t, store, "lost")
	lost := head(t, s)
	server.Stop()
	backup.Start()
	if after := head(t, s); after <= lost {
		t.Fatalf("head %d, %d had been given out", after, lost)
	}
	replica := imageOf(t, s)
	for stamp, want := range map[uint64]invalidation.Verdict{lost: invalidation.Dead, kept: invalidation.Stale, replica.Applied(): invalidation.Live} {
		if got := replica.Index().Check(stamp, []object.Scope{invalidation.TagScope("", "lost")}); got != want {
			t.Errorf("stamp %d is %v, not %v (kept %d, lost %d, now %d)", stamp, got, want, kept, lost, replica.Applied())
		}
	}
}

// imageOf is a node that has started from the sequencer's image.
func imageOf(t *testing.T, s *Sequencer) *controllog.Replica {
	t.Helper()
	encoded, _, err := s.Image()
	if err != nil {
		t.Fatal(err)
	}
	image, err := controllog.DecodeImage(encoded)
	if err != nil {
		t.Fatal(err)
	}
	replica := controllog.NewReplica(0)
	if err := replica.Restore(image); err != nil {
		t.Fatal(err)
	}
	return replica
}

func TestSequencer_ANodeIsAhead(t *testing.T) {
	store := openStore(t, postgres.Config{URL: testkit.Postgres(t)})
	s := follow(t, store, nil)
	before := head(t, s)
	if err := s.Ahead(t.Context(), "edge-1", uint64(time.Now().Add(2*time.Hour).UnixMicro())); !errors.Is(err, ErrImplausible) {
		t.Errorf("two hours above the clock: %v", err)
	}
	claimed := uint64(time.Now().Add(time.Minute).UnixMicro())
	if err := s.Ahead(t.Context(), "edge-1", claimed); err != nil {
		t.Fatal(err)
	}
	if after := head(t, s); after <= claimed || after <= before {
		t.Errorf("head %d, before %d, claimed %d", after, before, claimed)
	}
	if err := s.Ahead(t.Context(), "edge-1", claimed+5_000_000); !errors.Is(err, ErrTooSoon) {
		t.Errorf("again at once: %v", err)
	}
}

// Who has stolen the key of a node can say again and again that it is ahead. All control nodes count that together.
func TestSequencer_ANodeSaysTooOftenThatItIsAhead(t *testing.T) {
	store := openStore(t, postgres.Config{URL: testkit.Postgres(t)})
	one, other := follow(t, store, nil), follow(t, store, nil)
	claim := func(s *Sequencer) error {
		before := head(t, s)
		s.mu.Lock()
		s.mu.lastHeard = time.Time{} // as if it were long ago
		s.mu.Unlock()
		err := s.Ahead(t.Context(), "edge-1", before+1)
		if jumped := head(t, s) > before; jumped != (err == nil) {
			t.Errorf("%v, and the log jumped: %t", err, jumped)
		}
		return err
	}
	for i := range maxClaims {
		if err := claim([]*Sequencer{one, other}[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*Sequencer{one, other, follow(t, store, nil)} {
		if err := claim(s); !errors.Is(err, ErrTooSoon) {
			t.Errorf("once more: %v", err)
		}
	}
	if n, err := store.HeardLately(t.Context(), heardWindow); n != maxClaims || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := store.HeardLately(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("those of long ago count: %d, %v", n, err)
	}
}

// TestSequencer_Compacted is a node of control that was cut off for longer than the log is kept.
func TestSequencer_Compacted(t *testing.T) {
	url := testkit.Postgres(t)
	store := openStore(t, postgres.Config{URL: url})
	s := follow(t, store, rarely)
	for i := range 10 {
		add(t, store, fmt.Sprintf("p%d", i))
	}
	if _, err := store.Poll(t.Context(), 0); err != nil { // another control node
		t.Fatal(err)
	}
	before := s.Applied()
	testkit.Execute(t, url, fmt.Sprintf(`WITH gone AS (DELETE FROM tiercache.log WHERE epoch <= %d) UPDATE tiercache.server SET compacted = %d`, before+5, before+5))
	if got := head(t, s); got != before+10 || s.Applied() != got {
		t.Errorf("head %d, applied %d, before %d", got, s.Applied(), before)
	}
	if _, _, err := s.Entries(t.Context(), before, 1<<20); !errors.Is(err, postgres.ErrCompacted) {
		t.Errorf("got %v", err)
	}
	index := imageOf(t, s).Index()
	unknown := []object.Scope{invalidation.TagScope("", "never heard of")}
	for stamp, want := range map[uint64]invalidation.Verdict{before + 4: invalidation.Dead, before + 5: invalidation.Live} {
		if got := index.Check(stamp, unknown); got != want {
			t.Errorf("stamp %d, entries through %d are gone: %v", stamp, before+5, got)
		}
	}
}

// onBus connects to a NATS server of the test's own.
func onBus(t *testing.T) (url, dir string) {
	t.Helper()
	dir = t.TempDir()
	if _, err := natsd.GenerateCredentials(dir); err != nil {
		t.Fatal(err)
	}
	addr := testkit.FreeAddr(t)
	server, err := natsd.New(natsd.Config{Listen: addr, Credentials: dir})
	if err != nil {
		t.Fatal(err)
	}
	part(t, "nats", server.Run)
	return "nats://" + addr, dir
}

func connect(t *testing.T, url, dir, role string) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Config{URL: url, SeedFile: natsd.SeedFile(dir, role), Name: role + "-1", Role: role})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	testkit.Eventually(t, deadline, func() error {
		if !b.Connected() {
			return bus.ErrDisconnected
		}
		return nil
	})
	return b
}

func TestSequencer_PublishesWhatNobodyElseDid(t *testing.T) {
	url, dir := onBus(t)
	control, edge, origin := connect(t, url, dir, "control"), connect(t, url, dir, "edge"), connect(t, url, dir, "origin")
	var mu sync.Mutex
	heard := make(map[string]int)
	stop, err := edge.SubscribeLog(func(payload []byte) {
		entries, err := controllog.DecodeEntries(payload)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range entries {
			heard[entries[i].ID]++
			if entries[i].Hint {
				heard["hint "+entries[i].ID]++
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	times := func(id string) int {
		mu.Lock()
		defer mu.Unlock()
		return heard[id]
	}
	flush, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if err := edge.Flush(flush); err != nil { // the server knows of the subscription
		t.Fatal(err)
	}
	store := openStore(t, postgres.Config{URL: testkit.Postgres(t)})
	s := follow(t, store, func(c *Config, d *Deps) { c.Interval = time.Hour; d.Bus = control })

	add(t, store, "mine")
	head(t, s)
	testkit.Eventually(t, deadline, func() error {
		if times("mine/0") != 1 {
			return fmt.Errorf("heard %d times", times("mine/0"))
		}
		return nil
	})

	// The origin sequences and publishes an entry: control reads it for that reason, and is silent.
	add(t, store, "theirs")
	before := s.Applied()
	poll, err := store.Poll(t.Context(), before)
	if err != nil || len(poll.Rows) != 1 {
		t.Fatalf("%d rows, %v", len(poll.Rows), err)
	}
	entry, err := poll.Rows[0].Entry()
	if err != nil {
		t.Fatal(err)
	}
	if err := origin.PublishLog(controllog.AppendEntry(nil, &entry)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, deadline, func() error {
		if s.Applied() != entry.Epoch {
			return errors.New("not applied")
		}
		return nil
	})
	add(t, store, "mark")
	head(t, s)
	testkit.Eventually(t, deadline, func() error {
		if times("mark/0") == 0 {
			return errors.New("not heard")
		}
		return nil
	})
	if got := times("theirs/0"); got != 1 {
		t.Errorf("heard %d times", got)
	}

	// A large entry is a hint.
	large := controllog.Purge{}
	for i := range controllog.MaxScopes {
		large.Hosts = append(large.Hosts, fmt.Sprintf("host-%d.example.org", i))
	}
	if _, _, err := store.AddPurge(t.Context(), postgres.NewPurge{ID: "large", Request: []byte("{}"), Entries: []controllog.Purge{large}}); err != nil {
		t.Fatal(err)
	}
	head(t, s)
	testkit.Eventually(t, deadline, func() error {
		if times("hint large/0") != 1 {
			return errors.New("no hint")
		}
		return nil
	})
}
