package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/controllog"
)

// AddToken stores a token, whose ID, Name, Hash and Roles are set, and returns the id of its entry in the
// log, unless limit tokens are valid already. Errors: ErrFull, ErrConflict when the id or the hash is there already,
// ErrInvalid, ErrUnavailable.
func (s *Store) AddToken(ctx context.Context, t controllog.TokenChange, limit int, by Actor) (id string, err error) {
	if t.ID == "" || t.Name == "" || t.Hash == "" || t.Roles == "" || t.Revoked {
		return "", fmt.Errorf("%w: a new token has an id, a name, a hash and roles", ErrInvalid)
	}
	err = s.writePolicy(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var valid int // nobody adds one meanwhile: the lock is held
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM tiercache.tokens WHERE revoked_at IS NULL`).Scan(&valid); err != nil {
			return err
		}
		if valid >= limit {
			return fmt.Errorf("%w: %d tokens are valid", ErrFull, valid)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO tiercache.tokens (id, name, hash, roles, services, created_by) VALUES ($1, $2, $3, $4, $5, $6)`,
			t.ID, t.Name, t.Hash, t.Roles, append([]string{}, t.Services...), by.Name); err != nil {
			return err
		}
		if id, err = announce(ctx, tx, controllog.KindToken, t); err != nil {
			return err
		}
		return addActivity(ctx, tx, by, "token.create", t.ID, t.Name+": "+t.Roles)
	})
	if err != nil {
		return "", fmt.Errorf("add token %s: %w", t.ID, err)
	}
	return id, nil
}

// RevokeToken ends a token for good and returns the id of the entry that says so; of one that was revoked before
// nothing is changed, and the id is empty. Errors: ErrNotFound, ErrUnavailable.
func (s *Store) RevokeToken(ctx context.Context, tokenID string, by Actor) (id string, err error) {
	err = s.writePolicy(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var revoked bool
		if err := tx.QueryRow(ctx, `SELECT revoked_at IS NOT NULL FROM tiercache.tokens WHERE id = $1 FOR UPDATE`, tokenID).Scan(&revoked); err != nil || revoked {
			return err
		}
		t := controllog.TokenChange{ID: tokenID, Revoked: true}
		if err := tx.QueryRow(ctx, `UPDATE tiercache.tokens SET revoked_at = clock_timestamp(), revoked_by = $2
			WHERE id = $1 RETURNING name, hash, roles, services`, tokenID, by.Name).Scan(&t.Name, &t.Hash, &t.Roles, &t.Services); err != nil {
			return err
		}
		if id, err = announce(ctx, tx, controllog.KindToken, t); err != nil {
			return err
		}
		return addActivity(ctx, tx, by, "token.revoke", tokenID, t.Name)
	})
	if err != nil {
		return "", fmt.Errorf("revoke token %s: %w", tokenID, err)
	}
	return id, nil
}

// TokenEpoch is the epoch of the newest entry about a token. ErrNotFound when there is none (yet).
func (s *Store) TokenEpoch(ctx context.Context, tokenID string) (uint64, error) {
	epoch, err := one(ctx, s, pgx.RowTo[int64], `SELECT epoch FROM tiercache.log
		WHERE kind = 'token' AND coalesce(body->>'id', body->>'name') = $1 ORDER BY epoch DESC LIMIT 1`, tokenID)
	if err != nil {
		return 0, fmt.Errorf("epoch of token %s: %w", tokenID, err)
	}
	return uint64(epoch), nil
}

// Tokens lists tokens, the valid ones first, each kind newest first: those behind a place, or from the first on if that is
// the zero value; at most limit, which is at most 1000.
func (s *Store) Tokens(ctx context.Context, after TokenPlace, limit int) ([]TokenRecord, error) {
	return many(ctx, s, func(row pgx.CollectableRow) (r TokenRecord, err error) {
		var revoked *time.Time
		err = row.Scan(&r.ID, &r.Name, &r.Hash, &r.Roles, &r.Services, &r.CreatedAt, &r.CreatedBy, &revoked, &r.RevokedBy)
		r.RevokedAt, r.Revoked = orZero(revoked), revoked != nil
		return r, err
	}, `SELECT id, name, hash, roles, services, created_at, created_by, revoked_at, coalesce(revoked_by, '')
		FROM tiercache.tokens, LATERAL (SELECT revoked_at IS NOT NULL AS revoked) r
		WHERE $1 = '' OR r.revoked > $2 OR r.revoked = $2 AND (created_at < $3 OR created_at = $3 AND id > $1)
		ORDER BY r.revoked, created_at DESC, id LIMIT $4`, after.ID, after.Revoked, after.CreatedAt, min(max(limit, 1), maxList))
}
