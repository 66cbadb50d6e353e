package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// MaxBacklog bounds what Backlog counts.
const MaxBacklog = 10_000

// Backlog is what is committed and has no number yet.
type Backlog struct {
	Rows   int           // MaxBacklog: that many, or more
	Oldest time.Duration // since the transaction of the oldest of those began; 0: there is none
}

const selectBacklog = `SELECT waiting, oldest FROM tiercache.backlog($1)`

// Backlog counts what waits in the outbox. It costs some pages, and those of what it counts. Errors: ErrUnavailable.
func (s *Store) Backlog(ctx context.Context) (Backlog, error) {
	b, err := one(ctx, s, func(row pgx.CollectableRow) (b Backlog, err error) {
		var seconds float64
		err = row.Scan(&b.Rows, &seconds)
		b.Oldest = max(0, time.Duration(seconds*float64(time.Second)))
		return b, err
	}, selectBacklog, MaxBacklog)
	if err != nil {
		return Backlog{}, fmt.Errorf("count what waits for a number: %w", err)
	}
	return b, nil
}
