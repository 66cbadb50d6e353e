package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Sizes of one transaction of clean-up: a body may be a hundred thousand rows.
const (
	versionBatch = 1000
	bodyBatch    = 16
)

// cleanForever cleans up at once, for what a crash has left, and then at each interval. A failure is
// logged and the work left to the next round.
func (s *Store) cleanForever(ctx context.Context) error {
	for {
		if err := s.CleanUp(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("clean-up failed", "error", err)
		}
		if err := wait(ctx, s.cfg.CleanInterval); err != nil {
			return err
		}
	}
}

// CleanUp removes versions above their age, then the bodies that no version has had for ReadGrace, then
// uploads whose lease has run out. Several origins may run it at once: each skips the rows that another
// one has locked.
func (s *Store) CleanUp(ctx context.Context) error {
	for _, step := range []struct {
		name  string
		batch int
		run   func(context.Context, pgx.Tx) (int, error)
	}{
		{"remove old versions", versionBatch, s.removeVersions},
		{"remove unused bodies", bodyBatch, s.removeBodies},
		{"remove abandoned uploads", bodyBatch, s.removeUploads},
	} {
		if err := s.cleanStep(ctx, step.batch, step.run); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// cleanStep runs one step, a transaction a batch, until a batch is not full.
func (s *Store) cleanStep(ctx context.Context, batch int, run func(context.Context, pgx.Tx) (int, error)) error {
	pool, err := s.db()
	if err != nil {
		return err
	}
	for {
		seen, err := cleanBatch(ctx, pool, run)
		if err != nil {
			return outcome(ctx, err)
		}
		if seen < batch {
			return nil
		}
	}
}

func cleanBatch(ctx context.Context, pool *pgxpool.Pool, run func(context.Context, pgx.Tx) (int, error)) (seen int, err error) {
	limited, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	err = pgx.BeginFunc(limited, pool, func(tx pgx.Tx) error {
		seen, err = run(limited, tx)
		return err
	})
	return seen, err
}

func (s *Store) removeVersions(ctx context.Context, tx pgx.Tx) (int, error) {
	var removed int
	err := tx.QueryRow(ctx, `WITH old AS (
			SELECT id FROM origin.versions WHERE ended_at < now() - make_interval(secs => $1)
			ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
		), gone AS (
			DELETE FROM origin.versions v USING old WHERE v.id = old.id RETURNING v.body_id
		), `+releaseGone, s.cfg.KeepAge.Seconds(), versionBatch).Scan(&removed)
	if err == nil {
		s.versionsRemoved.Add(uint64(removed))
	}
	return removed, err
}

// removeBodies looks at the bodies that were released before the grace began. It locks them first and
// decides in later statements, whose snapshots are newer than the locks: a write that takes up a body
// holds a lock on it until it has committed, so what is seen to be unused then stays so.
func (s *Store) removeBodies(ctx context.Context, tx pgx.Tx) (int, error) {
	grace := s.cfg.ReadGrace.Seconds()
	entries, err := collect[int64](ctx, tx, `SELECT id FROM origin.released
		WHERE at < now() - make_interval(secs => $1) ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED`, grace, bodyBatch)
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	bodies, err := collect[string](ctx, tx, `SELECT b.id::text FROM origin.bodies b
		WHERE b.id IN (SELECT body_id FROM origin.released WHERE id = ANY($1)) FOR UPDATE`, entries)
	if err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, `DELETE FROM origin.bodies b WHERE b.id = ANY($1::uuid[])
		AND NOT EXISTS (SELECT FROM origin.versions v WHERE v.body_id = b.id)
		AND NOT EXISTS (SELECT FROM origin.released r WHERE r.body_id = b.id AND r.at >= now() - make_interval(secs => $2))`,
		bodies, grace)
	if err != nil {
		return 0, err
	}
	s.bodiesRemoved.Add(uint64(tag.RowsAffected()))
	_, err = tx.Exec(ctx, `DELETE FROM origin.released WHERE id = ANY($1)`, entries)
	return len(entries), err
}

func (s *Store) removeUploads(ctx context.Context, tx pgx.Tx) (int, error) {
	tag, err := tx.Exec(ctx, `DELETE FROM origin.bodies WHERE id IN (
		SELECT id FROM origin.bodies WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`, bodyBatch)
	removed := int(tag.RowsAffected())
	if err == nil {
		s.uploadsAbandoned.Add(uint64(removed))
	}
	return removed, err
}

func collect[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}
