package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/shared/controllog"
	"tiercache/shared/runner"
)

// Store is control's part of the schema tiercache. Until Run has brought the schema up to date, each call
// returns ErrUnavailable. It is safe for concurrent use; each call has a deadline of its own.
type Store struct {
	cfg    Config
	log    *slog.Logger
	health *runner.Component
	pool   atomic.Pointer[pgxpool.Pool] // nil until the schema is ready
	// awayUntil is the Unix time, in ns, until which no call tries to connect.
	awayUntil atomic.Int64

	// Sequenced, when set before Run, hears of the entries that a call of this store other than Poll has given their epochs,
	// after the commit and before the call returns.
	Sequenced func(ctx context.Context, rows []controllog.Row)

	sequenced, compacted atomic.Uint64
}

// New returns a Store that reports the database's state to health. It does no I/O.
func New(cfg Config, log *slog.Logger, health *runner.Component) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Store{cfg: cfg, log: log, health: health}, nil
}

// Counts are what a Store has done since its start.
type Counts struct {
	Sequenced uint64 // entries that it gave their epochs
	Compacted uint64 // entries that it removed from the log
}

// Counts returns what the store has done since the start.
func (s *Store) Counts() Counts {
	return Counts{Sequenced: s.sequenced.Load(), Compacted: s.compacted.Load()}
}

// awayPause is how long calls are refused at once after the server could not be reached. While it recovers
// from a crash, each attempt to connect costs it a process.
const awayPause = 250 * time.Millisecond

// noteLost begins the pause if err says that there is no server.
func (s *Store) noteLost(err error) {
	if lost(err) {
		s.awayUntil.Store(time.Now().Add(awayPause).UnixNano())
	}
}

// db is the pool, once the schema is there and unless the server could not be reached a moment ago.
func (s *Store) db() (*pgxpool.Pool, error) {
	if time.Now().UnixNano() < s.awayUntil.Load() {
		return nil, fmt.Errorf("%w: it could not be reached a moment ago", ErrUnavailable)
	}
	if pool := s.pool.Load(); pool != nil {
		return pool, nil
	}
	return nil, fmt.Errorf("%w: its schema is not ready", ErrUnavailable)
}

// read runs a query that may be repeated. After a restart of the server the pool may hold several dead
// connections, so a lost one empties the pool and the query is tried once more.
func (s *Store) read(ctx context.Context, limit time.Duration, query func(ctx context.Context, db *pgxpool.Pool) error) error {
	pool, err := s.db()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = query(limited, pool)
	if lost(err) {
		pool.Reset()
		err = query(limited, pool)
	}
	s.noteLost(err)
	return outcome(ctx, err)
}

// write runs change in one transaction. It is not tried again, because it may have been committed.
func (s *Store) write(ctx context.Context, change func(ctx context.Context, tx pgx.Tx) error) error {
	return s.writeWithin(ctx, writeTimeout, change)
}

func (s *Store) writeWithin(ctx context.Context, limit time.Duration, change func(ctx context.Context, tx pgx.Tx) error) error {
	pool, err := s.db()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = pgx.BeginFunc(limited, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(limited, waitForDisk); err != nil {
			return err
		}
		return change(limited, tx)
	})
	if lost(err) {
		pool.Reset()
	}
	return outcome(ctx, err)
}

// writeAtOnce runs statements in one transaction and one round trip, and does so once, like write.
func (s *Store) writeAtOnce(ctx context.Context, statements func(b *pgx.Batch)) error {
	pool, err := s.db()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	b := &pgx.Batch{}
	b.Queue(waitForDisk)
	statements(b)
	err = pool.SendBatch(limited, b).Close()
	if lost(err) {
		pool.Reset()
	}
	return outcome(ctx, err)
}

// waitForDisk makes a commit of this transaction wait for the disk, whatever the server's or the role's
// default is, and leaves a stronger setting alone.
const waitForDisk = `SELECT set_config('synchronous_commit', 'on', true)
	WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')`

// outcome classifies err; a caller that has gone sees its own cancellation.
func outcome(caller context.Context, err error) error {
	if err != nil && caller.Err() != nil {
		return fmt.Errorf("%w: %w", caller.Err(), err)
	}
	return classify(err)
}

// many runs a query that changes nothing and returns its rows.
func many[T any](ctx context.Context, s *Store, scan pgx.RowToFunc[T], sql string, args ...any) (found []T, err error) {
	err = s.read(ctx, readTimeout, func(ctx context.Context, db *pgxpool.Pool) error {
		rows, err := db.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scan)
		return err
	})
	return found, err
}

// one is many for the first row; ErrNotFound when there is none.
func one[T any](ctx context.Context, s *Store, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	found, err := many(ctx, s, scan, sql, args...)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		var none T
		return none, err
	}
	return found[0], nil
}
