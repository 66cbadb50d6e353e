package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/origin"
)

// one returns the version that from selects and the epoch as of which it is known to be current, or
// origin.ErrNotFound and the epoch as of which that is known. Of from's parameters $1 is taken, $2 is the
// path, and rest begins at $3.
//
// INVARIANT: the epoch and the version come from one snapshot. An entry up to that epoch was sequenced after
// its write had committed, so a snapshot that has the entry has the write: what is read is never older than
// its epoch says.
//
// It must not be newer either, or a reader would be given content that the same epoch elsewhere denies. That
// happens between a write's commit and its sequencing, when the outbox still has the write's row. Then the
// rows are sequenced and the version is read again, under a later epoch.
func (s *Store) one(ctx context.Context, path, from string, rest ...any) (origin.Object, error) {
	pending, err := touches(path)
	if err != nil {
		return origin.Object{}, fmt.Errorf("encode the path: %w", err)
	}
	args := append([]any{pending, path}, rest...)
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for {
		r, err := s.readStamped(limited, from, args)
		switch {
		case err != nil:
			return origin.Object{}, outcome(ctx, err)
		case !r.pending:
			return r.object, r.found()
		}
		s.lookupsRepeated.Add(1)
		if _, err := s.sequence(limited, ""); err != nil {
			return origin.Object{}, outcome(ctx, fmt.Errorf("%w: the object's last write has no epoch yet: %w", origin.ErrUnavailable, err))
		}
	}
}

// stamped is what one statement has read.
type stamped struct {
	object  origin.Object // its Version is 0 if there is none
	pending bool          // the outbox has a row that may be about the object
}

func (r *stamped) found() error {
	if r.object.Version == 0 {
		return origin.ErrNotFound
	}
	return nil
}

// readStamped reads the head of the log and the version that from selects in one statement.
func (s *Store) readStamped(ctx context.Context, from string, args []any) (r stamped, err error) {
	sql := `SELECT s.epoch, ` + isPending + `,
		coalesce(x.host, ''), coalesce(x.path, ''), coalesce(x.id, 0), coalesce(x.fields, '{}'), coalesce(x.created_at, 'epoch'),
		x.ended_at, coalesce(x.deleted, false), coalesce(x.body, ''), coalesce(x.sha256, ''), coalesce(x.size, 0)
		FROM tiercache.state s LEFT JOIN LATERAL (SELECT ` + versionColumns + from + `) x ON true`
	err = s.read(ctx, func(ctx context.Context, db *pgxpool.Pool) error {
		r = stamped{}
		scan := newScan(&r.object)
		err := db.QueryRow(ctx, sql, args...).Scan(append([]any{&r.object.Epoch, &r.pending}, scan.targets()...)...)
		scan.finish()
		return err
	})
	return r, err
}

// isPending is whether a visible row of the outbox may be about the path: one whose body contains $1. Only
// rows are looked at that the statement which moved the last ones did not see. Of those that it saw none is
// left, but they may lie there dead by the hundred thousand, if somebody keeps an old snapshot open.
const isPending = `(EXISTS (SELECT FROM tiercache.outbox b
		WHERE b.xid >= coalesce(pg_snapshot_xmax(s.snapshot), '0'::xid8) AND b.kind = 'purge' AND b.body @> $1::jsonb)
	OR EXISTS (SELECT FROM tiercache.outbox b
		WHERE b.xid = ANY (ARRAY(SELECT pg_snapshot_xip(s.snapshot))) AND b.kind = 'purge' AND b.body @> $1::jsonb))`
