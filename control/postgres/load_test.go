package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"tiercache/shared/controllog"
)

// load collects what Load gives, and checks that the entries are one chain from the floor to the head.
func load(t testing.TB, s *Store) (l Loaded, rows []controllog.Row) {
	t.Helper()
	err := s.Load(context.Background(), func(loaded Loaded) error { l = loaded; return nil },
		func(r controllog.Row) error { rows = append(rows, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	at := l.Floor
	for _, r := range rows {
		if r.Prev != at {
			t.Fatalf("%d follows %d and not %d", r.Epoch, r.Prev, at)
		}
		at = r.Epoch
	}
	if at != l.Head {
		t.Fatalf("the entries end at %d, the head is %d", at, l.Head)
	}
	return l, rows
}

func versions(l Loaded) (v []string) {
	for _, c := range l.Services {
		v = append(v, fmt.Sprint(c.Name, c.Version))
	}
	for _, c := range l.Tokens {
		v = append(v, c.ID)
	}
	return v
}

func wantLoaded(t *testing.T, s *Store, want ...string) {
	t.Helper()
	l, _ := load(t, s)
	if got := versions(l); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("loaded %v, want %v", got, want)
	}
}

func TestLoad_ServicesAndTokensAsOfTheHead(t *testing.T) {
	s := open(t, Config{})
	wantLoaded(t, s)
	put(t, s, "a", "a.example")
	put(t, s, "a", "a.example")
	put(t, s, "b", "b.example")
	activate(t, s, "a", 1)
	activate(t, s, "b", 1)
	addToken(t, s, "t1")
	wantLoaded(t, s) // nothing has an epoch yet
	poll1(t, s, 0)
	wantLoaded(t, s, "a1", "b1", "t1")
	activate(t, s, "a", 2)
	addToken(t, s, "t2")
	if _, err := s.RevokeToken(context.Background(), "t1", admin()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RemoveService(context.Background(), "b", admin()); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, s, "a1", "b1", "t1")
	poll1(t, s, 0)
	wantLoaded(t, s, "a2", "t2")
	// What no node can read changes nothing on any.
	execute(t, s, `INSERT INTO tiercache.outbox (kind, body) VALUES ('service', '{"name": "a", "version": "x"}'), ('token', '[]'), ('service', '7')`)
	poll1(t, s, 0)
	wantLoaded(t, s, "a2", "t2")
}

func TestLoad_PagesAndErrorsOfTheVisitor(t *testing.T) {
	s := open(t, Config{})
	execute(t, s, insert, "a", 2*maxRows+10)
	poll1(t, s, 0)
	if _, rows := load(t, s); len(rows) != 2*maxRows+11 {
		t.Errorf("%d entries", len(rows))
	}
	mine := errors.New("mine")
	nothing := func(Loaded) error { return nil }
	if err := s.Load(context.Background(), nothing, func(controllog.Row) error { return mine }); !errors.Is(err, mine) || errors.Is(err, ErrUnavailable) {
		t.Errorf("row's error: %v", err)
	}
	if err := s.Load(context.Background(), func(Loaded) error { return mine }, nil); !errors.Is(err, mine) {
		t.Errorf("begin's error: %v", err)
	}
}

// While entries are made and removed, each load is of one moment.
func TestLoad_OneMoment(t *testing.T) {
	s := open(t, Config{RetainRows: 500})
	done := make(chan error, 1)
	go func() {
		for i := range 40 {
			_, err := s.pool.Load().Exec(context.Background(), insert, fmt.Sprint(i), 100)
			if err == nil {
				_, err = s.Poll(context.Background(), 0)
			}
			if err == nil && i%5 == 0 {
				err = s.Compact(context.Background())
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for loads := 0; ; loads++ {
		load(t, s)
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d loads", loads)
			return
		default:
		}
	}
}

func TestCompact_ByNumber(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{RetainRows: 20})
	_, start := follow(t, s, 0)
	put(t, s, "a", "a.example")
	put(t, s, "a", "a.example")
	activate(t, s, "a", 1)
	activate(t, s, "a", 2)
	addToken(t, s, "t1")
	purge := addPurge(t, s, "p1", "", "x")
	_, before := follow(t, s, start)
	execute(t, s, insert, "b", 50)
	_, head := follow(t, s, before)
	if err := s.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	for _, after := range []uint64{0, start, before, head - 21} {
		if p := poll1(t, s, after); !p.Compacted || len(p.Rows) != 0 || p.Head != head {
			t.Errorf("poll behind %d, which is gone: %d rows, compacted %t", after, len(p.Rows), p.Compacted)
		}
		if _, err := s.Log(ctx, after); !errors.Is(err, ErrCompacted) {
			t.Errorf("log behind %d: %v", after, err)
		}
	}
	if rows, _ := follow(t, s, head-20); len(rows) != 20 {
		t.Errorf("%d entries are kept", len(rows))
	}
	l, rows := load(t, s)
	if l.Floor != head-20 || len(rows) != 20 {
		t.Errorf("loaded %d entries above %d; the head is %d", len(rows), l.Floor, head)
	}
	wantLoaded(t, s, "a2", "t1")
	if n := value[int](t, s, "SELECT count(*) FROM tiercache.log WHERE epoch <= $1", int64(l.Floor)); n != 2 {
		t.Errorf("%d entries are left below the floor, want the service's and the token's newest", n)
	}
	if got, err := s.Purge(ctx, purge.ID); err != nil || got.First == 0 || got.First != got.Last || got.First > before {
		t.Errorf("the purge whose entry is gone: %+v, %v", got, err)
	}
	// A compaction without work leaves all as it is, and the next one goes on.
	if err := s.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	if again, _ := load(t, s); again.Floor != l.Floor {
		t.Errorf("the floor went from %d to %d", l.Floor, again.Floor)
	}
	activate(t, s, "a", 1)
	execute(t, s, insert, "c", 50)
	poll1(t, s, 0)
	if err := s.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, s, "a1", "t1")
}

func TestCompact_ByAge(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	execute(t, s, insert, "a", 30)
	_, head := follow(t, s, 0)
	if err := s.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	if _, rows := load(t, s); len(rows) != 31 {
		t.Fatalf("%d entries after a compaction that had nothing to do", len(rows))
	}
	execute(t, s, "UPDATE tiercache.log SET at = at - interval '8 days'")
	execute(t, s, "UPDATE tiercache.log SET at = at + interval '2 days' WHERE epoch > $1", int64(head-5))
	if err := s.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	if l, rows := load(t, s); len(rows) != 5 || l.Floor != head-5 {
		t.Errorf("%d entries above %d", len(rows), l.Floor)
	}
	// The head stays, however old it is: numbers go on from it.
	execute(t, s, "UPDATE tiercache.log SET at = at - interval '8 days'")
	if err := s.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	if l, rows := load(t, s); len(rows) != 1 || l.Head != head {
		t.Errorf("%d entries, head %d and not %d", len(rows), l.Head, head)
	}
	execute(t, s, insert, "b", 1)
	rows, _ := follow(t, s, head)
	wantIDs(t, rows, "b-1")
}

func TestCompact_Records(t *testing.T) {
	s := open(t, Config{})
	addPurge(t, s, "old", "", "x")
	execute(t, s, "UPDATE tiercache.purges SET created_at = created_at - interval '91 days'")
	execute(t, s, "UPDATE tiercache.activity SET at = at - interval '91 days'")
	addPurge(t, s, "new", "", "x")
	if err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	purges, err := s.Purges(context.Background(), "", 10)
	if err != nil || len(purges) != 1 || purges[0].ID != "new" {
		t.Errorf("purges: %+v, %v", purges, err)
	}
	if n := value[int](t, s, "SELECT count(*) FROM tiercache.activity"); n != 1 {
		t.Errorf("%d lines of activity", n)
	}
}
