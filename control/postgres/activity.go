package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// AddActivity records what somebody did. Purges, services and tokens are recorded by the methods that
// change them.
func (s *Store) AddActivity(ctx context.Context, a Activity) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return addActivity(ctx, tx, Actor{Name: a.Who, From: a.From}, a.Action, a.Subject, a.Detail)
	})
}

func addActivity(ctx context.Context, tx pgx.Tx, by Actor, action, subject, detail string) error {
	_, err := tx.Exec(ctx, `INSERT INTO tiercache.activity (who, from_addr, action, subject, detail) VALUES ($1, $2, $3, $4, $5)`,
		by.Name, by.From, action, subject, detail)
	if err != nil {
		return fmt.Errorf("record the activity: %w", err)
	}
	return nil
}

// Activities lists what was done, the newest first: what has an ID below before, or from the newest on if
// that is 0; at most limit, which is at most 1000.
func (s *Store) Activities(ctx context.Context, before int64, limit int) ([]Activity, error) {
	return many(ctx, s, func(row pgx.CollectableRow) (a Activity, err error) {
		return a, row.Scan(&a.ID, &a.At, &a.Who, &a.From, &a.Action, &a.Subject, &a.Detail)
	}, `SELECT id, at, who, from_addr, action, subject, detail FROM tiercache.activity
		WHERE $1::bigint = 0 OR id < $1::bigint ORDER BY id DESC LIMIT $2`, before, min(max(limit, 1), maxList))
}
