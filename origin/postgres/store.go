package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/origin"
	"tiercache/shared/controllog"
	"tiercache/shared/runner"
)

// Store is an origin.Store in PostgreSQL. Until Run has brought the schema up to date, each call
// returns origin.ErrUnavailable.
type Store struct {
	cfg    Config
	log    *slog.Logger
	health *runner.Component
	pool   atomic.Pointer[pgxpool.Pool] // nil until the schema is ready
	// awayUntil is the Unix time, in ns, until which no request tries to connect.
	awayUntil atomic.Int64

	// Sequenced, when set before Run, hears of the entries that this store has moved into the control log,
	// in their order. It must not block.
	Sequenced  func([]controllog.Row)
	sequencing sequencing

	versionsRemoved, bodiesRemoved, uploadsAbandoned, corruptChunks atomic.Uint64
	sequenced, sequenceFailures, lookupsRepeated                    atomic.Uint64
}

// New returns a Store that reports the database's state to health. It does no I/O.
func New(cfg Config, log *slog.Logger, health *runner.Component) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Store{cfg: cfg, log: log, health: health, sequencing: sequencing{turn: make(chan struct{}, 1)}}, nil
}

// Pool returns the state of the connections, the zero value before there are any.
func (s *Store) Pool() origin.Pool {
	pool := s.pool.Load()
	if pool == nil {
		return origin.Pool{}
	}
	st := pool.Stat()
	return origin.Pool{
		Total:  int64(st.TotalConns()),
		Busy:   int64(st.AcquiredConns()),
		Limit:  int64(st.MaxConns()),
		Waited: st.AcquireDuration(),
	}
}

// Counts returns what the store has done since the start.
func (s *Store) Counts() origin.Counts {
	return origin.Counts{
		VersionsRemoved:  s.versionsRemoved.Load(),
		BodiesRemoved:    s.bodiesRemoved.Load(),
		UploadsAbandoned: s.uploadsAbandoned.Load(),
		CorruptChunks:    s.corruptChunks.Load(),
		Sequenced:        s.sequenced.Load(),
		SequenceFailures: s.sequenceFailures.Load(),
		LookupsRepeated:  s.lookupsRepeated.Load(),
	}
}

// awayPause is how long requests are refused at once after the server could not be reached. While it
// recovers from a crash, each attempt to connect costs it a process and the processor time of its start:
// asked by every request, it takes several times as long.
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
		return nil, fmt.Errorf("%w: it could not be reached a moment ago", origin.ErrUnavailable)
	}
	if pool := s.pool.Load(); pool != nil {
		return pool, nil
	}
	return nil, fmt.Errorf("%w: its schema is not ready", origin.ErrUnavailable)
}

// read runs a query that changes nothing. After a restart of the server the pool may hold several dead
// connections, so a lost one empties the pool and the query is tried once more.
func (s *Store) read(ctx context.Context, query func(ctx context.Context, db *pgxpool.Pool) error) error {
	pool, err := s.db()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, readTimeout)
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
	pool, err := s.db()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, writeTimeout)
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

// waitForDisk makes a commit of this transaction wait for the disk, whatever the server's or the
// role's default is, and leaves a stronger setting alone.
const waitForDisk = `SELECT set_config('synchronous_commit', 'on', true)
	WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')`

// outcome classifies err; a caller that has gone sees its own cancellation.
func outcome(caller context.Context, err error) error {
	if err != nil && caller.Err() != nil {
		return fmt.Errorf("%w: %w", caller.Err(), err)
	}
	return classify(err)
}

// detached is a context for work that must be done although its request has ended.
func detached(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}
