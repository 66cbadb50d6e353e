package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/shared/controllog"
)

// Limits of one answer of Log.
const (
	maxRows  = 1000
	maxBytes = 1 << 20 // of bodies; a larger one comes alone
)

// Limits of one answer of Poll: as many rows as sequence() moves at once, or a backlog would be read more slowly than it is
// numbered.
const (
	sequenceBatch = 10_000
	pollBytes     = 4 << 20
)

// selectLog is the state and what is behind an epoch, in one snapshot. Its first two columns are the same in
// each row, as is the third; without entries there is one row, with NULL in the others.
const selectLog = `SELECT s.epoch, s.compacted, coalesce(s.chain, 0), e.epoch, e.prev, e.at, e.id, e.kind, e.body, coalesce(e.prev_chain, 0), coalesce(e.chain, 0)
	FROM tiercache.state s LEFT JOIN LATERAL (
		SELECT * FROM (
			SELECT l.*, sum(octet_length(l.body)) OVER (ORDER BY l.epoch) AS upto FROM (
				SELECT epoch, prev, at, id, kind, body::text AS body, prev_chain, chain FROM tiercache.log
				WHERE epoch > $1 AND $1 >= s.compacted ORDER BY epoch LIMIT $2
			) l
		) w WHERE w.upto - octet_length(w.body) < $3
	) e ON true ORDER BY e.epoch`

// Poll gives numbers to what has been committed, at most 10000 rows of it, and reads the head and what is behind an epoch:
// one round trip to the database. However much is waiting, each call comes back in the time that one batch takes, so
// that what has a number reaches the nodes meanwhile.
//
// INVARIANT: Head is returned only after the transaction that found it has been committed.
func (s *Store) Poll(ctx context.Context, after uint64) (p Poll, err error) {
	err = s.read(ctx, writeTimeout, func(ctx context.Context, db *pgxpool.Pool) error {
		p = Poll{}
		moved, err := poll(ctx, db, after, &p)
		if err != nil {
			return err
		}
		s.sequenced.Add(uint64(moved))
		p.More = moved >= sequenceBatch
		return nil
	})
	if err != nil {
		return Poll{}, fmt.Errorf("poll the log: %w", err)
	}
	return p, nil
}

// poll sends both statements at once. They are one transaction, and the second, whose snapshot is newer, sees
// what the first has done.
func poll(ctx context.Context, db *pgxpool.Pool, after uint64, p *Poll) (moved int, err error) {
	batch := &pgx.Batch{}
	batch.Queue(`SELECT count(*) FROM tiercache.sequence($1)`, sequenceBatch).QueryRow(func(row pgx.Row) error { return row.Scan(&moved) })
	batch.Queue(selectLog, int64(after), sequenceBatch, pollBytes).Query(func(rows pgx.Rows) error { return scanLog(rows, after, p) })
	return moved, db.SendBatch(ctx, batch).Close()
}

// Log is what the log has behind an epoch, oldest first, at most 1000 entries or 1 MiB. It gives no numbers.
// Errors: ErrCompacted, ErrUnavailable.
func (s *Store) Log(ctx context.Context, after uint64) ([]controllog.Row, error) {
	var p Poll
	err := s.read(ctx, readTimeout, func(ctx context.Context, db *pgxpool.Pool) error {
		p = Poll{}
		rows, err := db.Query(ctx, selectLog, int64(after), maxRows, maxBytes)
		if err != nil {
			return err
		}
		return scanLog(rows, after, &p)
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the log: %w", err)
	case p.Compacted:
		return nil, ErrCompacted
	}
	return p.Rows, nil
}

func scanLog(rows pgx.Rows, after uint64, p *Poll) error {
	defer rows.Close()
	for rows.Next() {
		var head, floor, headChain, prevChain, chain int64
		var epoch, prev *int64
		var at *time.Time
		var id, kind *string
		var body []byte
		if err := rows.Scan(&head, &floor, &headChain, &epoch, &prev, &at, &id, &kind, &body, &prevChain, &chain); err != nil {
			return err
		}
		p.Head, p.Chain, p.Compacted = uint64(head), uint64(headChain), after < uint64(floor)
		if epoch != nil {
			p.Rows = append(p.Rows, controllog.Row{
				Epoch: uint64(*epoch), Prev: uint64(*prev), Chain: uint64(chain), PrevChain: uint64(prevChain),
				Time: *at, ID: *id, Kind: *kind, Body: body,
			})
		}
	}
	return rows.Err()
}

// EpochOf is the epoch of the outbox row with an id, the last if there were several. ErrNotFound when it has
// none (yet), or when its entry has been removed.
func (s *Store) EpochOf(ctx context.Context, id string) (uint64, error) {
	epoch, err := one(ctx, s, pgx.RowTo[int64], `SELECT epoch FROM tiercache.log WHERE id = $1 ORDER BY epoch DESC LIMIT 1`, id)
	if err != nil {
		return 0, fmt.Errorf("epoch of %s: %w", id, err)
	}
	return uint64(epoch), nil
}

// maxAhead is how far above the clock an epoch may be that a node claims to have, in us: numbers begin at
// the clock, and there is no way back from one that is far above it.
const maxAhead = int64(24 * time.Hour / time.Microsecond)

// Heard says that a node has an epoch above the head of the log: the log has lost its end. A new term then
// begins above it, which purges everything softly, unless the log has come to that epoch by now. Errors:
// ErrInvalid for an epoch that no log can have had.
func (s *Store) Heard(ctx context.Context, epoch uint64) error {
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var limit int64
		err := tx.QueryRow(ctx, `SELECT greatest(epoch, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) + $1 FROM tiercache.state`, maxAhead).Scan(&limit)
		if err != nil {
			return err
		}
		if epoch > uint64(limit) {
			return fmt.Errorf("%w: the log cannot have had epoch %d", ErrInvalid, epoch)
		}
		if _, err := tx.Exec(ctx, `SELECT tiercache.hear($1)`, int64(epoch)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `SELECT FROM tiercache.sequence()`)
		return err
	})
	if err != nil {
		return fmt.Errorf("begin a term above %d: %w", epoch, err)
	}
	return nil
}

// Find looks for the entry of an epoch that somebody has applied. Errors: ErrUnavailable.
func (s *Store) Find(ctx context.Context, epoch uint64) (Found, error) {
	f, err := one(ctx, s, pgx.RowToStructByPos[struct {
		Chain int64
		Lost  bool
	}], `SELECT coalesce((SELECT chain FROM tiercache.log WHERE epoch = $1), 0), tiercache.is_lost($1)`, int64(epoch))
	if err != nil {
		return Found{}, fmt.Errorf("look for epoch %d: %w", epoch, err)
	}
	return Found{Chain: uint64(f.Chain), Lost: f.Lost}, nil
}

// Found is what the log has of an epoch.
type Found struct {
	// Chain is the hash of the log through its entry; 0 when there is no such entry (any more), or it has no hash.
	Chain uint64
	// Lost: the log has jumped over the epoch, and has not purged everything since.
	Lost bool
}

// Lost says that a node has an epoch that the log has lost. A new term then begins, which purges everything softly, unless
// the log has the epoch, has removed it, or has purged everything since. Errors: ErrUnavailable.
func (s *Store) Lost(ctx context.Context, epoch uint64) error {
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT tiercache.lose($1)`, int64(epoch)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `SELECT FROM tiercache.sequence()`)
		return err
	})
	if err != nil {
		return fmt.Errorf("begin a term behind what was lost: %w", err)
	}
	return nil
}

// Branched says that a node has a history in which the log has another hash at that epoch. A new term then begins, which
// purges everything hard, unless the log has that very hash, or has purged everything hard since. Errors: ErrUnavailable.
func (s *Store) Branched(ctx context.Context, epoch, chain uint64) error {
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT tiercache.branched($1, $2)`, int64(epoch), int64(chain)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `SELECT FROM tiercache.sequence()`)
		return err
	})
	if err != nil {
		return fmt.Errorf("begin a term behind a branch: %w", err)
	}
	return nil
}

// HeardLately counts the terms of the last while that began since a node had an epoch which the log had not, or another
// branch of the log. Terms begin at the clock, so that they are found by their numbers.
func (s *Store) HeardLately(ctx context.Context, within time.Duration) (int, error) {
	return one(ctx, s, pgx.RowTo[int], `SELECT count(*)::integer FROM tiercache.log
		WHERE epoch > ((extract(epoch FROM clock_timestamp()) - $1::float8) * 1000000)::bigint
			AND kind = 'term' AND body->>'reason' ~ '^(a node has epoch|the log has branched)'`, within.Seconds())
}
