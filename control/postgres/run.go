package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"tiercache/shared/schema"
)

const (
	pingInterval = time.Second

	// Pauses between attempts to prepare the database.
	firstRetry = 200 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// Run connects, migrates, watches the database and compacts the log until ctx ends. It calls ready at once:
// a process that can say that its database is missing is of more use than one that has not started. A
// database that is down, or comes and goes, is never an error.
func (s *Store) Run(ctx context.Context, ready func()) error {
	ready()
	pool, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	s.pool.Store(pool)
	defer s.pool.Store(nil)
	s.health.OK("")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.watch(ctx, pool) })
	g.Go(func() error { return s.compactForever(ctx) })
	return g.Wait()
}

// prepare tries until the schema is up to date; the only error is the end of ctx, or a pool that can
// not be made from a configuration that was validated.
func (s *Store) prepare(ctx context.Context) (*pgxpool.Pool, error) {
	pause := firstRetry
	for {
		err := s.migrate(ctx)
		if err == nil {
			break
		}
		s.health.Fail(err.Error())
		s.log.Warn("database not ready", "error", err, "retry_in", pause)
		if err := wait(ctx, pause); err != nil {
			return nil, err
		}
		pause = min(pause*2, lastRetry)
	}
	cfg, err := s.cfg.pool()
	if err != nil {
		return nil, err
	}
	return pgxpool.NewWithConfig(ctx, cfg)
}

// watch keeps the health up to date and logs each change of it once.
func (s *Store) watch(ctx context.Context, pool *pgxpool.Pool) error {
	up := true
	for {
		if err := wait(ctx, pingInterval); err != nil {
			return err
		}
		err := s.ping(ctx, pool)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.health.Fail(err.Error())
		default:
			s.health.OK("")
		}
		if up != (err == nil) {
			up = err == nil
			s.logChange(err)
		}
	}
}

func (s *Store) logChange(err error) {
	if err != nil {
		s.log.Error("database lost", "error", err)
		return
	}
	s.log.Info("database back")
}

func (s *Store) ping(ctx context.Context, pool *pgxpool.Pool) error {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return pool.Ping(limited)
}

// wait returns after d, or with ctx's error when that ends first.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// migrate brings the schema up to date.
func (s *Store) migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	pool, err := s.cfg.pool()
	if err != nil {
		return err
	}
	return schema.MigrateControl(ctx, pool.ConnConfig)
}
