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

// selectBacklog looks only at what the last sequence() has not seen, by the index, as the next one will.
const selectBacklog = `SELECT count(*)::integer, coalesce(extract(epoch FROM clock_timestamp() - min(w.created_at)), 0)::float8
	FROM (SELECT snapshot FROM tiercache.state) AS s, LATERAL (
		(SELECT created_at FROM tiercache.outbox WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(s.snapshot))) ORDER BY xid, seq LIMIT $1)
		UNION ALL
		(SELECT created_at FROM tiercache.outbox WHERE xid >= coalesce(pg_snapshot_xmax(s.snapshot), '0'::xid8) ORDER BY xid, seq LIMIT $1)
		LIMIT $1
	) AS w`

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
