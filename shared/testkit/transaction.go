package testkit

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Transaction is one of PostgreSQL's that a test holds open, on a connection of its own. One goroutine at a time may
// use it.
type Transaction struct {
	t    testing.TB
	conn *pgx.Conn
}

// Begin begins a transaction on the database with that URL. It is rolled back when the test ends.
func Begin(t testing.TB, url string) *Transaction {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	x := &Transaction{t, conn}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // or the server is gone already
	x.Execute("BEGIN")
	return x
}

// Execute runs a statement in it.
func (x *Transaction) Execute(statement string, args ...any) {
	x.t.Helper()
	if _, err := x.conn.Exec(context.Background(), statement, args...); err != nil {
		x.t.Fatalf("%s: %v", statement, err)
	}
}

// Commit ends it. After an error that is not the server's own it may have been committed.
func (x *Transaction) Commit() error {
	_, err := x.conn.Exec(context.Background(), "COMMIT")
	return errors.Join(err, x.conn.Close(context.Background()))
}

// Rollback ends it without a trace.
func (x *Transaction) Rollback() error {
	_, err := x.conn.Exec(context.Background(), "ROLLBACK")
	return errors.Join(err, x.conn.Close(context.Background()))
}
