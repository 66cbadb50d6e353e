// Package postgrestest lets tests of other packages reach behind the store: break what it keeps, or hold
// it up. It owns no knowledge of the tables; the statements are the tests' own.
//
// Start reading at Execute.
package postgrestest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Execute runs a statement on a connection of its own.
func Execute(t testing.TB, url, statement string, args ...any) {
	t.Helper()
	conn := connect(t, url)
	_, err := conn.Exec(context.Background(), statement, args...)
	if err := errors.Join(err, conn.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
}

// Hold runs a statement in a transaction that stays open, with its locks, until release is called or
// the test ends. Release may be called from any goroutine.
func Hold(t testing.TB, url, statement string, args ...any) (release func()) {
	t.Helper()
	conn := connect(t, url)
	release = sync.OnceFunc(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release)
	ctx := context.Background()
	if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, statement, args...); err != nil {
		t.Fatal(err)
	}
	return release
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
