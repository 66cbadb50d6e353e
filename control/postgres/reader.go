package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/shared/controllog"
	"tiercache/shared/schema"
)

// Reader reads the log of a schema that is there, in transactions that can write nothing. It is for who checks the fleet
// from outside. Its user needs to read tiercache.log and tiercache.state, and no more. It is safe for concurrent use.
type Reader struct{ pool *pgxpool.Pool }

// patientTimeout bounds a read that nobody waits for.
const patientTimeout = 30 * time.Second

// OpenReader returns a reader of the database at url. It does not connect. The caller closes it.
func OpenReader(ctx context.Context, url string) (*Reader, error) {
	cfg, err := Config{URL: url}.withDefaults().pool()
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 2
	schema.SetSession(cfg.ConnConfig, map[string]string{
		"application_name": "tiercache-audit", "default_transaction_read_only": "on", "statement_timeout": "30s",
	})
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Reader{pool: pool}, nil
}

// Close closes the connections.
func (r *Reader) Close() { r.pool.Close() }

// Settled is a part of the log that is older than an age.
type Settled struct {
	Rows []controllog.Row // oldest first
	// More: there are others of that age.
	More bool
	// Floor is the epoch through which entries have been removed from the log.
	Floor uint64
	// Now is PostgreSQL's clock, from before it looked at the log.
	Now time.Time
}

// Settled is what the log has behind an epoch, as far as it was numbered at least age ago by PostgreSQL's clock, up to
// 1000 entries. Errors: ErrUnavailable.
func (r *Reader) Settled(ctx context.Context, after uint64, age time.Duration) (s Settled, err error) {
	ctx, cancel := context.WithTimeout(ctx, patientTimeout)
	defer cancel()
	rows, err := r.pool.Query(ctx, `SELECT statement_timestamp(), s.compacted, e.epoch, e.prev, e.at, e.id, e.kind, e.body
		FROM tiercache.state s LEFT JOIN LATERAL (
			SELECT epoch, prev, at, id, kind, body::text FROM tiercache.log WHERE epoch > $1 ORDER BY epoch LIMIT $2
		) e ON true ORDER BY e.epoch`, int64(after), maxRows)
	if err != nil {
		return s, classify(fmt.Errorf("read the log: %w", err))
	}
	var floor int64
	var epoch, prev *int64
	var at *time.Time
	var id, kind *string
	var body []byte
	n, young := 0, false
	_, err = pgx.ForEachRow(rows, []any{&s.Now, &floor, &epoch, &prev, &at, &id, &kind, &body}, func() error {
		s.Floor = uint64(floor)
		if epoch == nil {
			return nil
		}
		n++
		// INVARIANT: what follows an entry that is too young is not looked at, however old it says it is: what counts
		// is what must have been applied, and that goes in order.
		if young = young || at.After(s.Now.Add(-age)); !young {
			s.Rows = append(s.Rows, controllog.Row{
				Epoch: uint64(*epoch), Prev: uint64(*prev), Time: *at, ID: *id, Kind: *kind, Body: append([]byte(nil), body...),
			})
		}
		return nil
	})
	s.More = n == maxRows && !young
	if err != nil {
		return s, classify(fmt.Errorf("read the log: %w", err))
	}
	return s, nil
}
