package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/controllog"
)

// maxList bounds lists.
const maxList = 1000

// AddPurge records a purge and puts its entries into the outbox, in one transaction: when it returns, the
// purge will be done, whoever fails. It has its epochs at once, unless somebody else is giving numbers at that moment:
// then Poll gives it them. existed reports that the same token had sent
// the same request with the same key before: nothing is done again, and the record is the earlier one's.
// Errors: ErrConflict for a key that came with another request; ErrInvalid; ErrUnavailable, after which the
// purge may have been recorded.
func (s *Store) AddPurge(ctx context.Context, p NewPurge) (record PurgeRecord, existed bool, err error) {
	bodies, err := purgeBodies(p.Entries)
	if err != nil {
		return PurgeRecord{}, false, err
	}
	record = PurgeRecord{ID: p.ID, Key: p.Key, By: p.By, Request: p.Request, Entries: len(bodies)}
	var sequenced []controllog.Row
	err = s.writeAtOnce(ctx, func(b *pgx.Batch) {
		b.Queue(insertPurge, p.ID, p.Key, p.By.Token, p.By.Name, p.By.From, string(p.Request), len(bodies)).Query(func(rows pgx.Rows) error {
			existed = !rows.Next()
			if existed {
				return rows.Err()
			}
			defer rows.Close()
			return rows.Scan(&record.Created)
		})
		b.Queue(insertEntries, p.ID, bodies)
		b.Queue(insertPurged, p.By.Name, p.By.From, p.ID)
		// INVARIANT: this comes last: see the function.
		b.Queue(sequenceAtOnce, atOnceBatch).Query(func(rows pgx.Rows) error {
			sequenced, err = pgx.CollectRows(rows, scanSequenced)
			return err
		})
	})
	if err == nil && existed {
		record, err = s.earlierPurge(ctx, p)
	}
	if err != nil {
		return PurgeRecord{}, false, fmt.Errorf("purge %s: %w", p.ID, err)
	}
	if len(sequenced) > 0 {
		s.sequenced.Add(uint64(len(sequenced)))
		record.take(sequenced)
		if s.Sequenced != nil {
			s.Sequenced(ctx, sequenced)
		}
	}
	return record, existed, nil
}

// What AddPurge does, in this order. The last two do nothing when the first one has found another purge with that key.
const (
	insertPurge = `INSERT INTO tiercache.purges (id, key, by_token, by_name, by_from, request, entries)
		VALUES ($1, nullif($2, ''), $3, $4, $5, $6, $7) ON CONFLICT (by_token, key) WHERE key IS NOT NULL DO NOTHING RETURNING created_at`
	insertEntries = `INSERT INTO tiercache.outbox (id, kind, body)
		SELECT $1 || '/' || (n - 1), 'purge', body::jsonb FROM unnest($2::text[]) WITH ORDINALITY AS e (body, n)
		WHERE EXISTS (SELECT FROM tiercache.purges WHERE id = $1) ORDER BY n`
	insertPurged = `INSERT INTO tiercache.activity (who, from_addr, action, subject, detail)
		SELECT $1, $2, 'purge', $3, '' WHERE EXISTS (SELECT FROM tiercache.purges WHERE id = $3)`
	sequenceAtOnce = `SELECT epoch, prev, at, id, kind, body, coalesce(prev_chain, 0), coalesce(chain, 0) FROM tiercache.sequence_at_once($1)`
)

// atOnceBatch is how many rows a purge moves at most, its own among them: it does not wait for a backlog to be worked off.
const atOnceBatch = 100

func scanSequenced(row pgx.CollectableRow) (r controllog.Row, err error) {
	var prevChain, chain int64
	err = row.Scan(&r.Epoch, &r.Prev, &r.Time, &r.ID, &r.Kind, &r.Body, &prevChain, &chain)
	r.PrevChain, r.Chain = uint64(prevChain), uint64(chain)
	return r, err
}

// take notes the purge's epochs if all its entries are among those rows.
func (p *PurgeRecord) take(rows []controllog.Row) {
	var first, last uint64
	n := 0
	for i := range rows {
		if id, _, _ := strings.Cut(rows[i].ID, "/"); id != p.ID {
			continue
		}
		if n++; first == 0 {
			first = rows[i].Epoch
		}
		last = rows[i].Epoch
	}
	if n == p.Entries {
		p.First, p.Last = first, last
	}
}

// purgeBodies refuses what nodes could only answer by purging everything.
func purgeBodies(entries []controllog.Purge) ([]string, error) {
	if len(entries) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, controllog.ErrEmptyPurge)
	}
	var bodies []string
	for i := range entries {
		if _, _, err := entries[i].Scopes(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		body, err := json.Marshal(&entries[i])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		bodies = append(bodies, string(body))
	}
	return bodies, nil
}

// earlierPurge is the one that came with the key first.
func (s *Store) earlierPurge(ctx context.Context, p NewPurge) (PurgeRecord, error) {
	same, err := one(ctx, s, pgx.RowTo[bool], `SELECT request = $3::jsonb FROM tiercache.purges WHERE by_token = $1 AND key = $2`, p.By.Token, p.Key, string(p.Request))
	switch {
	case err != nil:
		return PurgeRecord{}, err
	case !same:
		return PurgeRecord{}, fmt.Errorf("%w: the idempotency key was used for another purge", ErrConflict)
	}
	return one(ctx, s, scanPurge, selectPurges+`p.by_token = $1 AND p.key = $2`, p.By.Token, p.Key)
}

// selectPurges finds the epochs in the log until they are kept with the purge. "0" follows "/" in ASCII.
const selectPurges = `SELECT p.id, coalesce(p.key, ''), p.by_token, p.by_name, p.by_from, p.request::text, p.created_at, p.entries,
		coalesce(p.first_epoch, e.first, 0), coalesce(p.last_epoch, e.last, 0), p.receipt::text, p.finished_at
	FROM tiercache.purges p LEFT JOIN LATERAL (` + purgeEpochs + `) e ON p.first_epoch IS NULL WHERE `

const purgeEpochs = `SELECT min(epoch) AS first, max(epoch) AS last FROM tiercache.log
	WHERE id >= p.id || '/' AND id < p.id || '0' HAVING count(*) >= p.entries`

func scanPurge(row pgx.CollectableRow) (p PurgeRecord, err error) {
	var first, last int64
	var finished *time.Time
	err = row.Scan(&p.ID, &p.Key, &p.By.Token, &p.By.Name, &p.By.From, (*[]byte)(&p.Request), &p.Created, &p.Entries, &first, &last, (*[]byte)(&p.Receipt), &finished)
	p.First, p.Last, p.Finished = uint64(first), uint64(last), orZero(finished)
	return p, err
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// Purge is one purge. Errors: ErrNotFound, ErrUnavailable.
func (s *Store) Purge(ctx context.Context, id string) (PurgeRecord, error) {
	return one(ctx, s, scanPurge, selectPurges+`p.id = $1`, id)
}

// Purges lists purges, the newest first: those before the one with an id, or from the newest on if that is
// empty; at most limit, which is at most 1000.
func (s *Store) Purges(ctx context.Context, before string, limit int) ([]PurgeRecord, error) {
	return many(ctx, s, scanPurge, selectPurges+`($1 = '' OR p.seq < (SELECT seq FROM tiercache.purges WHERE id = $1))
		ORDER BY p.seq DESC LIMIT $2`, before, min(max(limit, 1), maxList))
}

// FinishPurge keeps the last receipt of a purge. That of the control node which came first stays. Errors:
// ErrNotFound, ErrUnavailable.
func (s *Store) FinishPurge(ctx context.Context, id string, receipt json.RawMessage) error {
	var known int64
	err := s.writeAtOnce(ctx, func(b *pgx.Batch) {
		b.Queue(`UPDATE tiercache.purges p SET receipt = $2, finished_at = clock_timestamp(),
				(first_epoch, last_epoch) = (SELECT coalesce(p.first_epoch, e.first), coalesce(p.last_epoch, e.last) FROM (SELECT) AS one LEFT JOIN (`+purgeEpochs+`) e ON true)
			WHERE id = $1 AND finished_at IS NULL`, id, string(receipt))
		b.Queue(`SELECT count(*) FROM tiercache.purges WHERE id = $1`, id).QueryRow(func(row pgx.Row) error { return row.Scan(&known) })
	})
	if err == nil && known == 0 {
		err = ErrNotFound
	}
	return err
}
