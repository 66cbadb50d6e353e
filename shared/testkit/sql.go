package testkit

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Execute runs a statement on the PostgreSQL database with that URL: for what the code under test has no
// method to do, such as to set a database back.
func Execute(t testing.TB, url, statement string, args ...any) {
	t.Helper()
	execute(t, url, statement, args...)
}

// Hold runs a statement in a transaction that stays open, with its locks, until release is called or
// the test ends. Release may be called from any goroutine.
func Hold(t testing.TB, url, statement string, args ...any) (release func()) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release)
	if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, statement, args...); err != nil {
		t.Fatal(err)
	}
	return release
}
