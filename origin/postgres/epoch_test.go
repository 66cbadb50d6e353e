package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/origin"
	"tiercache/shared/controllog"
	"tiercache/shared/testkit"
)

// done is a write, or what a read has found.
type done struct {
	path       string
	version    int64 // 0: a delete, or nothing there
	epoch      uint64
	begun, end time.Time
}

// history collects what happened, to be checked when all is over.
type history struct {
	mu            sync.Mutex
	writes, reads []done
}

func (h *history) note(list *[]done, d done) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*list = append(*list, d)
}

// hammer writes, deletes and reads a few paths until ctx ends.
func (h *history) hammer(t *testing.T, ctx context.Context, s *Store, writer bool) {
	for i := 0; ctx.Err() == nil; i++ {
		d := done{path: fmt.Sprintf("/%d", rand.IntN(3)), begun: time.Now()}
		var err error
		switch {
		case !writer:
			var o origin.Object
			o, err = s.Lookup(context.Background(), addr(d.path))
			d.version, d.epoch = o.Version, o.Epoch
		case rand.IntN(4) == 0:
			d.epoch, err = s.Delete(context.Background(), addr(d.path), origin.Conditions{})
		default:
			var o origin.Object
			body := strings.NewReader(fmt.Sprint(rand.Uint64()))
			o, _, err = s.Put(context.Background(), origin.Upload{Address: addr(d.path), Body: body})
			d.version, d.epoch = o.Version, o.Epoch
		}
		d.end = time.Now()
		switch {
		case errors.Is(err, origin.ErrNotFound) && !writer:
			h.note(&h.reads, d)
		case errors.Is(err, origin.ErrNotFound): // nothing was deleted
		case err != nil || d.epoch == 0:
			t.Errorf("epoch %d: %v", d.epoch, err)
		case writer:
			h.note(&h.writes, d)
		default:
			h.note(&h.reads, d)
		}
	}
}

// The content of a read is what the writes up to its epoch made of the object: nothing older, or a purge would
// be beaten, and nothing newer, or the same epoch elsewhere would deny it. Two stores write, and a third party
// sequences what they have just committed.
func TestEpoch_OfAReadIsThatOfItsContent(t *testing.T) {
	url := testkit.Postgres(t)
	stores := []*Store{open(t, Config{URL: url}), open(t, Config{URL: url})}
	var h history
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() { h.hammer(t, ctx, stores[i%2], i%3 == 0) })
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			execute(t, stores[0], "SELECT FROM tiercache.sequence()")
		}
	})
	atLeast := time.After(4 * time.Second)
	testkit.Eventually(t, time.Minute, h.meansSomething)
	<-atLeast
	cancel()
	wg.Wait()
	for path := range map[string]bool{"/0": true, "/1": true, "/2": true} {
		h.check(t, path)
	}
	t.Logf("%d writes, %d reads, %d lookups repeated", len(h.writes), len(h.reads),
		stores[0].lookupsRepeated.Load()+stores[1].lookupsRepeated.Load())
}

// meansSomething is nil when there is enough to look at.
func (h *history) meansSomething() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.writes) < 50 || len(h.reads) < 500 {
		return fmt.Errorf("%d writes and %d reads so far", len(h.writes), len(h.reads))
	}
	return nil
}

func (h *history) check(t *testing.T, path string) {
	var writes []done
	for _, w := range h.writes {
		if w.path == path {
			writes = append(writes, w)
		}
	}
	slices.SortFunc(writes, func(a, b done) int { return int(int64(a.epoch) - int64(b.epoch)) })
	for _, r := range h.reads {
		if r.path != path {
			continue
		}
		at, _ := slices.BinarySearchFunc(writes, r.epoch+1, func(w done, epoch uint64) int { return int(int64(w.epoch) - int64(epoch)) })
		want := int64(0)
		if at > 0 {
			want = writes[at-1].version
		}
		if r.version != want {
			t.Errorf("%s: a read at epoch %d found version %d, the last write up to it made %d", path, r.epoch, r.version, want)
		}
		for _, w := range writes {
			if w.end.Before(r.begun) && w.epoch > r.epoch {
				t.Errorf("%s: a read that began after a write's end has epoch %d, the write %d", path, r.epoch, w.epoch)
			}
		}
	}
}

// While nobody can sequence, a write is committed all the same and says that it has no epoch. A reader of it
// gets neither the new content under an old epoch nor the old content; other objects are served.
func TestEpoch_OfAWriteThatCannotBeSequenced(t *testing.T) {
	url := testkit.Postgres(t)
	s := open(t, Config{URL: url})
	write(t, s, "/other", []byte("other"))
	old := write(t, s, "/x", []byte("old"))
	release := testkit.Hold(t, url, "SELECT FROM tiercache.sequence()") // has the lock
	o := write(t, s, "/x", []byte("new"))
	if o.Epoch != 0 || o.Version <= old.Version {
		t.Errorf("the write: %+v", o)
	}
	if n := count(t, s, "tiercache.outbox"); n != 1 {
		t.Errorf("%d rows in the outbox", n)
	}
	err := within(t, soon, "a lookup", func() error { _, err := s.Lookup(context.Background(), addr("/x")); return err })
	if !errors.Is(err, origin.ErrUnavailable) {
		t.Errorf("the object: %v", err)
	}
	if got, err := s.Lookup(context.Background(), addr("/other")); err != nil || got.Epoch != old.Epoch {
		t.Errorf("another object: %+v, %v; the log's head is %d", got, err, old.Epoch)
	}
	if s.sequenceFailures.Load() == 0 {
		t.Error("no failure was counted")
	}
	release()
	got, err := s.Lookup(context.Background(), addr("/x"))
	if err != nil || got.Version != o.Version || got.Epoch != old.Epoch+1 {
		t.Errorf("afterwards: %+v, %v", got, err)
	}
	if n := count(t, s, "tiercache.outbox"); n != 0 {
		t.Errorf("%d rows in the outbox", n)
	}
}

// Commit means purge, rollback means none.
func TestEpoch_AWriteThatFailsLeavesNoEntry(t *testing.T) {
	s := open(t, Config{})
	o := write(t, s, "/x", []byte("x"))
	refused, err := origin.ConditionsOf(map[string][]string{"If-None-Match": {"*"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, _, err := s.Put(ctx, origin.Upload{Address: addr("/x"), Body: strings.NewReader("y"), Conditions: refused}); !errors.Is(err, origin.ErrPrecondition) {
		t.Errorf("a put: %v", err)
	}
	if _, err := s.Delete(ctx, addr("/x"), refused); !errors.Is(err, origin.ErrPrecondition) {
		t.Errorf("a delete: %v", err)
	}
	execute(t, s, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no commit today'; END $$`)
	execute(t, s, `CREATE CONSTRAINT TRIGGER late AFTER INSERT ON origin.versions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
	if err := s.tryPut("/x", "y"); err == nil || !strings.Contains(err.Error(), "no commit today") {
		t.Errorf("a put that fails at its commit: %v", err)
	}
	if _, err := s.Delete(ctx, addr("/x"), origin.Conditions{}); err == nil {
		t.Error("a delete that fails at its commit passes")
	}
	execute(t, s, "SELECT FROM tiercache.sequence()")
	got, err := s.Lookup(ctx, addr("/x"))
	if err != nil || got.Version != o.Version || got.Epoch != o.Epoch {
		t.Errorf("the log went on from %d: %+v, %v", o.Epoch, got, err)
	}
}

// What changes nothing makes no entry, and its epoch covers the write that made what is there.
func TestEpoch_OfAWriteThatChangesNothing(t *testing.T) {
	s := open(t, Config{})
	first := write(t, s, "/x", []byte("x"))
	last := write(t, s, "/y", []byte("y"))
	again := write(t, s, "/x", []byte("x"))
	if again.Version != first.Version || again.Epoch != last.Epoch {
		t.Errorf("again: %+v after %d and %d", again, first.Epoch, last.Epoch)
	}
	if _, err := s.Lookup(context.Background(), addr("/none")); !errors.Is(err, origin.ErrNotFound) {
		t.Error(err)
	}
	if o, _ := s.Version(context.Background(), addr("/x"), first.Version); o.Epoch != last.Epoch {
		t.Errorf("a version: %+v", o)
	}
}

// Rows of others are none of a lookup's business unless they purge the path.
func TestLookup_IsRepeatedOnlyForRowsAboutItsPath(t *testing.T) {
	s := open(t, Config{})
	o := write(t, s, "/x", []byte("x"))
	for body, repeated := range map[string]uint64{
		`{"tags":["/x"]}`: 0, `{"urls":[{"host":"a.example","path":"/xy"}]}`: 0,
		`{"urls":[{"host":"b.example","path":"/x"}]}`: 1, `{"urls":[{"host":"h","path":"/"},{"host":"*","path":"/x"}]}`: 1,
	} {
		before, head := s.lookupsRepeated.Load(), count(t, s, "tiercache.log")
		execute(t, s, "INSERT INTO tiercache.outbox (kind, body) VALUES ('purge', $1)", body)
		got, err := s.Lookup(context.Background(), addr("/x"))
		if err != nil || got.Version != o.Version || s.lookupsRepeated.Load()-before != repeated {
			t.Errorf("%s: %+v, %v, repeated %d times", body, got, err, s.lookupsRepeated.Load()-before)
		}
		execute(t, s, "SELECT FROM tiercache.sequence()")
		if n := count(t, s, "tiercache.log"); n != head+1 {
			t.Errorf("%s: %d entries more", body, n-head)
		}
	}
}

// followed is what a store says that it has sequenced.
type followed struct {
	mu   sync.Mutex
	rows []controllog.Row
}

func (f *followed) take(rows []controllog.Row) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, rows...)
}

// startFollowed runs a store that reports what it sequences.
func startFollowed(t *testing.T, cfg Config) (*Store, *followed) {
	t.Helper()
	f := &followed{}
	cfg.URL = testkit.Postgres(t)
	s := openWith(t, cfg, func(s *Store) { s.Sequenced = f.take })
	return s, f
}

func TestSequenced_IsTheUnbrokenChainWithEachWrite(t *testing.T) {
	s, f := startFollowed(t, Config{MaxConns: 4}) // fewer than writers: a round needs one connection
	var mu sync.Mutex
	paths := map[uint64]string{}
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 10 {
				path := fmt.Sprintf("/%d/%d", w, i)
				o, _, err := s.Put(context.Background(), origin.Upload{Address: addr(path), Body: strings.NewReader(path)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				paths[o.Epoch] = path
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(paths) != 160 || len(f.rows) != 160 {
		t.Fatalf("%d epochs, %d rows", len(paths), len(f.rows))
	}
	for i, row := range f.rows {
		if i > 0 && row.Prev != f.rows[i-1].Epoch {
			t.Fatalf("row %d: %d follows %d", i, row.Epoch, row.Prev)
		}
		if !strings.Contains(string(row.Body), `"`+paths[row.Epoch]+`"`) || !strings.Contains(string(row.Body), `"a.example"`) {
			t.Errorf("epoch %d is %s, the write was of %s", row.Epoch, row.Body, paths[row.Epoch])
		}
		if entry, err := row.Entry(); err != nil || len(entry.Scopes) != 1 || entry.Kind != controllog.KindPurge {
			t.Errorf("entry %+v, %v", entry, err)
		}
	}
}

// Somebody else's transaction of many rows is moved whole before a write gets its epoch, and not kept in memory. A machine that
// is too busy to do that within sequenceTimeout leaves it to control.
func TestSequence_BehindAHugeTransaction(t *testing.T) {
	testkit.InOneOf(t, 3, func() error {
		s, f := startFollowed(t, Config{})
		execute(t, s, `INSERT INTO tiercache.outbox (kind, body)
			SELECT 'purge', jsonb_build_object('tags', jsonb_build_array(repeat('t', 500) || i)) FROM generate_series(1, $1::int) i`, 2*sequenceBatch+5)
		o := write(t, s, "/x", []byte("x"))
		if n := count(t, s, "tiercache.outbox"); n != 0 || o.Epoch == 0 {
			return fmt.Errorf("epoch %d, %d rows are left", o.Epoch, n)
		}
		size := 0
		for _, row := range f.rows {
			size += len(row.Body)
		}
		const each = 600                                                   // of a row, at most
		if size > maxSequenced+atOnceBatch*each || size < maxSequenced/2 { // the write's own transaction, then a round
			return fmt.Errorf("%d bytes were kept", size)
		}
		if n := s.Counts().Sequenced; n != 2*sequenceBatch+6 {
			return fmt.Errorf("%d entries", n)
		}
		return nil
	})
}

func TestSequence_WhateverTheDatabasesDefaultIsolation(t *testing.T) {
	url := testkit.Postgres(t)
	testkit.Execute(t, url, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''serializable''', current_database()); END $$`)
	s := open(t, Config{URL: url})
	if o := write(t, s, "/x", []byte("x")); o.Epoch == 0 {
		t.Error("the write has no epoch")
	}
}

// The first of those who wait for a round runs it: its own request may end before that.
func TestSequence_GoesOnWithoutItsLeadersRequest(t *testing.T) {
	url := testkit.Postgres(t)
	s := open(t, Config{URL: url})
	release := testkit.Hold(t, url, "SELECT FROM tiercache.sequence()")
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	result := make(chan error, 2)
	go func() { _, err := s.sequence(gone, ""); result <- err }()
	testkit.Eventually(t, 5*time.Second, func() error {
		if len(s.sequencing.turn) == 0 {
			return errors.New("it has not begun")
		}
		return nil
	})
	go func() { _, err := s.sequence(context.Background(), ""); result <- err }()
	release()
	for range 2 {
		if err := <-result; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// BenchmarkLookup is the cost of one read, beside dead rows that nobody can remove.
func BenchmarkLookup(b *testing.B) {
	for _, dead := range []int{0, 200_000} {
		b.Run(fmt.Sprintf("dead=%d", dead), func(b *testing.B) {
			url := testkit.Postgres(b)
			s := openWith(b, Config{URL: url}, func(*Store) {})
			_, _, err := s.Put(context.Background(), origin.Upload{Address: addr("/x"), Body: strings.NewReader("x")})
			if err != nil {
				b.Fatal(err)
			}
			// The snapshot keeps the dead, its transaction's number the oldest in progress.
			testkit.Hold(b, url, "CREATE TABLE old AS SELECT pg_current_xact_id()")
			execute(b, s, `INSERT INTO tiercache.outbox (kind, body) SELECT 'purge', '{"tags":["t"]}' FROM generate_series(1, $1::int)`, dead)
			testkit.Eventually(b, time.Minute, func() error {
				_, err := s.sequence(context.Background(), "")
				return err
			})
			o, _, err := s.Put(context.Background(), origin.Upload{Address: addr("/y"), Body: strings.NewReader("y")})
			if err != nil || o.Epoch == 0 {
				b.Fatalf("epoch %d, %v", o.Epoch, err)
			}
			b.ResetTimer()
			for range b.N {
				if _, err := s.Lookup(context.Background(), addr("/x")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
