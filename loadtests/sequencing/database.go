package sequencing

import (
	"context"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/loadtests/platform"
)

// database is the platform's PostgreSQL.
type database struct {
	pool *pgxpool.Pool
	url  *url.URL
}

func openDatabase(ctx context.Context, cfg *Config) (*database, error) {
	found, err := platform.PostgresURL(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	location, err := url.Parse(found)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(ctx, location.String())
	if err != nil {
		return nil, err
	}
	return &database{pool, location}, nil
}

// withCommitTimes starts the platform twice: PostgreSQL keeps the times of commits from its next start on.
func withCommitTimes(ctx context.Context, cfg *Config) (*platform.Platform, *database, error) {
	for {
		p, err := platform.Start(ctx, platform.Config{Program: cfg.Program, DataDir: cfg.DataDir, PortOffset: cfg.PortOffset})
		if err != nil {
			return nil, nil, err
		}
		db, err := openDatabase(ctx, cfg)
		if err != nil {
			p.Stop()
			return nil, nil, err
		}
		kept, err := db.keepsCommitTimes(ctx)
		if err == nil && kept {
			return p, db, nil
		}
		db.close()
		p.Stop()
		if err != nil {
			return nil, nil, err
		}
	}
}

func (d *database) close() { d.pool.Close() }

// keepsCommitTimes reports whether PostgreSQL keeps the times of commits, and makes it do so from its next start on.
func (d *database) keepsCommitTimes(ctx context.Context) (kept bool, err error) {
	if err := d.pool.QueryRow(ctx, "SELECT current_setting('track_commit_timestamp') = 'on'").Scan(&kept); err != nil || kept {
		return kept, err
	}
	_, err = d.pool.Exec(ctx, "ALTER SYSTEM SET track_commit_timestamp = on")
	return false, err
}

func (d *database) exec(ctx context.Context, sql string, args ...any) error {
	_, err := d.pool.Exec(ctx, sql, args...)
	return err
}

func (d *database) head(ctx context.Context) (head uint64, err error) {
	err = d.pool.QueryRow(ctx, "SELECT epoch FROM tiercache.state").Scan(&head)
	return head, err
}

// commits are the epochs and times, in Unix us, that a query yields.
func (d *database) commits(ctx context.Context, sql string, args ...any) (map[uint64]uint64, error) {
	rows, err := d.pool.Query(ctx, "SELECT epoch, (extract(epoch FROM at) * 1000000)::bigint FROM ("+sql+") AS c (epoch, at)", args...)
	if err != nil {
		return nil, err
	}
	commits := make(map[uint64]uint64)
	var epoch, at uint64
	_, err = pgx.ForEachRow(rows, []any{&epoch, &at}, func() error {
		commits[epoch] = at
		return nil
	})
	if err == nil && len(commits) == 0 {
		err = fmt.Errorf("no write has an epoch")
	}
	return commits, err
}

// insertRows puts n purges of one transaction into the outbox.
const insertRows = `INSERT INTO tiercache.outbox (kind, body)
	SELECT 'purge', jsonb_build_object('mode', 'hard', 'tags', jsonb_build_array('product:' || n)) FROM generate_series(1, $1::int) AS n`
