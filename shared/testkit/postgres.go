package testkit

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/platform"
)

// PostgresProc starts a PostgreSQL of this test's own, for tests that kill or pause it; URL is its empty
// database. It takes about a second: others use Postgres.
func PostgresProc(t testing.TB) *Proc {
	t.Helper()
	dir, err := serverDir()
	if err != nil {
		t.Fatal(err)
	}
	// Registered before the server's own cleanup, so that it runs after it.
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	port, out, location := FreePort(t), &output{}, ""
	cfg := platform.PostgresConfig{Dir: dir, Port: port, Throwaway: true, Output: out}
	p := newProc(t, "postgres", out, func(ctx context.Context) (*platform.Process, error) {
		server, err := platform.StartPostgres(ctx, cfg)
		if err != nil {
			return nil, err
		}
		location = server.URL()
		return server.Process(), nil
	})
	p.URL, p.Addr = location, fmt.Sprintf("127.0.0.1:%d", port)
	return p
}

// Postgres returns the URL of a new, empty database, dropped when the test ends. All tests of one test
// binary share the server: a test that breaks it wants PostgresProc.
func Postgres(t testing.TB) string {
	t.Helper()
	server, err := sharedPostgres()
	if err != nil {
		t.Fatalf("start postgres: %v%s", err, advice(err))
	}
	name := "test_" + rand.Text()
	execute(t, server, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	t.Cleanup(func() {
		execute(t, server, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func execute(t testing.TB, server, statement string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("connect to the tests' postgres: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }() // the statement has its result already
	if _, err := conn.Exec(ctx, statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
