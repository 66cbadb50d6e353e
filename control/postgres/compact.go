package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Sizes of one transaction of compaction.
const (
	compactBatch = 10_000
	recordBatch  = 1_000
)

// compactForever compacts at once and then at each interval. A failure is logged and the work left to the
// next round.
func (s *Store) compactForever(ctx context.Context) error {
	for {
		if err := s.Compact(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("compaction of the log failed", "error", err)
		}
		if err := wait(ctx, s.cfg.CompactInterval); err != nil {
			return err
		}
	}
}

// Compact removes entries that are too old or too many, but for the head and the newest of each service and
// token, then records of purges and activity that are too old. Several control nodes may run it at once.
//
// INVARIANT: entries are removed in the transaction that raises the mark up to which they are missed.
func (s *Store) Compact(ctx context.Context) error {
	for _, step := range []struct {
		name  string
		batch int
		run   func(context.Context, pgx.Tx) (int, error)
	}{
		{"compact the log", compactBatch, s.compactLog},
		{"remove old purges", recordBatch, s.removePurges},
		{"remove old activity", recordBatch, s.removeActivity},
	} {
		for more := true; more; {
			err := s.writeWithin(ctx, compactTimeout, func(ctx context.Context, tx pgx.Tx) error {
				seen, err := step.run(ctx, tx)
				more = seen >= step.batch
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
		}
	}
	return nil
}

// compactLog looks at the next batch of entries and returns how many it gave up.
func (s *Store) compactLog(ctx context.Context, tx pgx.Tx) (int, error) {
	var floor int64
	if err := tx.QueryRow(ctx, `SELECT compacted FROM tiercache.server FOR UPDATE`).Scan(&floor); err != nil {
		return 0, err
	}
	var to *int64
	var n int
	err := tx.QueryRow(ctx, `SELECT max(epoch), count(*) FROM (SELECT epoch, at FROM tiercache.log WHERE epoch > $1 ORDER BY epoch LIMIT $2) next
		WHERE epoch < (SELECT epoch FROM tiercache.state) AND (at < clock_timestamp() - make_interval(secs => $3)
			OR epoch <= (SELECT epoch FROM tiercache.log ORDER BY epoch DESC OFFSET $4 LIMIT 1))`,
		floor, compactBatch, s.cfg.Retain.Seconds(), s.cfg.RetainRows).Scan(&to, &n)
	if err != nil || to == nil {
		return 0, err
	}
	for _, statement := range []string{
		`UPDATE tiercache.purges p SET (first_epoch, last_epoch) = (` + purgeEpochs + `) WHERE first_epoch IS NULL
			AND EXISTS (SELECT FROM tiercache.log WHERE epoch <= $1 AND id >= p.id || '/' AND id < p.id || '0')`,
		`DELETE FROM tiercache.log l WHERE epoch <= $1 AND kind NOT IN ('service', 'token')`,
		`DELETE FROM tiercache.log l WHERE epoch <= $1 AND kind IN ('service', 'token') AND (coalesce(l.body->>'id', l.body->>'name') IS NULL OR EXISTS (
			SELECT FROM tiercache.log n WHERE n.kind = l.kind AND n.kind IN ('service', 'token') AND n.epoch > l.epoch
				AND coalesce(n.body->>'id', n.body->>'name') = coalesce(l.body->>'id', l.body->>'name')))`,
		`UPDATE tiercache.server SET compacted = $1`,
	} {
		if _, err := tx.Exec(ctx, statement, *to); err != nil {
			return 0, err
		}
	}
	s.compacted.Add(uint64(n))
	return n, nil
}

func (s *Store) removePurges(ctx context.Context, tx pgx.Tx) (int, error) {
	return s.removeRecords(ctx, tx, `DELETE FROM tiercache.purges WHERE seq IN (SELECT seq FROM tiercache.purges
		WHERE created_at < clock_timestamp() - make_interval(secs => $1) ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED)`)
}

func (s *Store) removeActivity(ctx context.Context, tx pgx.Tx) (int, error) {
	return s.removeRecords(ctx, tx, `DELETE FROM tiercache.activity WHERE id IN (SELECT id FROM tiercache.activity
		WHERE at < clock_timestamp() - make_interval(secs => $1) ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)`)
}

func (s *Store) removeRecords(ctx context.Context, tx pgx.Tx, statement string) (int, error) {
	tag, err := tx.Exec(ctx, statement, s.cfg.RetainRecords.Seconds(), recordBatch)
	return int(tag.RowsAffected()), err
}
