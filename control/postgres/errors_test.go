package postgres

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A value that does not fit its parameter never leaves this process: the server is there.
func TestStore_AValueThatDoesNotFitIsNoLostServer(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	read := func() error {
		_, err := one(ctx, s, pgx.RowTo[int64], `SELECT $1::int4::int8`, int64(math.MaxInt32)+1)
		return err
	}
	write := func() error {
		return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `SELECT $1::int4`, int64(math.MaxInt32)+1)
			return err
		})
	}
	for name, do := range map[string]func() error{"read": read, "write": write} {
		if err := do(); err == nil || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Activities(ctx, 0, 1); err != nil {
			t.Errorf("after the %s: %v", name, err)
		}
	}
}

func TestStore_AfterItsEnd(t *testing.T) {
	s := open(t, Config{})
	s.pool.Load().Close()
	if _, err := s.Activities(context.Background(), 0, 1); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a closed pool: %v", err)
	}
}

// A standby, or a server that recovers from a backup, reads before it writes: it can work soon.
func TestStore_AServerInRecoveryIsUnavailable(t *testing.T) {
	for _, code := range []string{"55000", "25006"} {
		if err := classify(&pgconn.PgError{Code: code}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// The server ends a connection that is idle in a transaction: of a process that was stopped, or when its own clock was set.
// The next one may work.
func TestStore_AConnectionThatWasEndedIsUnavailable(t *testing.T) {
	for _, code := range []string{"25P03", "25P04"} {
		if err := classify(&pgconn.PgError{Severity: "FATAL", Code: code}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", code, err)
		}
	}
}
