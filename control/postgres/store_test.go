package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/controllog"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

// open runs a store on a new database until the test ends.
func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = testkit.Postgres(t)
	}
	if cfg.CompactInterval == 0 {
		cfg.CompactInterval = time.Hour // tests call Compact
	}
	s, err := New(cfg, slog.New(slog.DiscardHandler), runner.NewHealth().Component("postgres", true))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, func() {}) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	testkit.Eventually(t, 20*time.Second, func() error { _, err := s.db(); return err })
	return s
}

// execute runs a statement outside of the store's own methods.
func execute(t testing.TB, s *Store, sql string, args ...any) {
	t.Helper()
	if _, err := s.pool.Load().Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func value[T any](t testing.TB, s *Store, sql string, args ...any) (v T) {
	t.Helper()
	if err := s.pool.Load().QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// connect is a connection of the test's own, for transactions that stay open.
func connect(t testing.TB, s *Store) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // ends what is still open
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// insert puts n purges into the outbox: PREFIX-1 and so on.
const insert = `INSERT INTO tiercache.outbox (id, kind, body) SELECT $1 || '-' || n, 'purge', '{"all": true}' FROM generate_series(1, $2) n`

func poll1(t testing.TB, s *Store, after uint64) Poll {
	t.Helper()
	p, err := s.Poll(context.Background(), after)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// follow reads the log from an epoch to its head, as a node does, and checks that it is one chain.
func follow(t testing.TB, s *Store, after uint64) (rows []controllog.Row, head uint64) {
	t.Helper()
	for {
		p := poll1(t, s, after)
		if p.Compacted {
			t.Fatalf("compacted behind %d", after)
		}
		for _, r := range p.Rows {
			if r.Prev != after {
				t.Fatalf("%d (%s) follows %d and not %d", r.Epoch, r.ID, r.Prev, after)
			}
			if r.Kind != "term" && r.Epoch != r.Prev+1 {
				t.Fatalf("%d follows %d without a term", r.Epoch, r.Prev)
			}
			after = r.Epoch
		}
		rows = append(rows, p.Rows...)
		if after == p.Head && !p.More {
			return rows, after
		}
	}
}

func ids(rows []controllog.Row) (names []string) {
	for _, r := range rows {
		names = append(names, r.ID)
	}
	return names
}

func wantIDs(t *testing.T, rows []controllog.Row, want ...string) {
	t.Helper()
	if got := ids(rows); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the log has %v, want %v", got, want)
	}
}
