package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/controllog"
)

// errVisitor marks an error of Load's caller.
var errVisitor = errors.New("stopped")

// Load reads the whole state as of one moment: begin gets all but the entries, then row gets each entry that
// is kept, oldest first. An error of theirs ends it and is returned. A load that fails has to begin anew,
// with new receivers. It takes as long as it takes, up to 2 minutes.
func (s *Store) Load(ctx context.Context, begin func(Loaded) error, row func(controllog.Row) error) error {
	pool, err := s.db()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	err = pgx.BeginTxFunc(limited, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		loaded, err := loadState(limited, tx)
		if err != nil {
			return err
		}
		if err := begin(loaded); err != nil {
			return fmt.Errorf("%w: %w", errVisitor, err)
		}
		return eachRow(limited, tx, loaded.Floor, row)
	})
	if err := outcome(ctx, err); err != nil {
		return fmt.Errorf("load the log: %w", err)
	}
	return nil
}

// loadState takes services and tokens from the log, where they are as of its head, not from the tables,
// where they may be newer.
func loadState(ctx context.Context, tx pgx.Tx) (l Loaded, err error) {
	var head, floor int64
	if err := tx.QueryRow(ctx, `SELECT epoch, compacted FROM tiercache.state`).Scan(&head, &floor); err != nil {
		return l, err
	}
	l.Head, l.Floor = uint64(head), uint64(floor)
	services, err := newest(ctx, tx, "service", func(c controllog.ServiceChange) string { return c.Name })
	if err != nil {
		return l, err
	}
	tokens, err := newest(ctx, tx, "token", func(c controllog.TokenChange) string { return c.ID })
	if err != nil {
		return l, err
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if c := services[name]; c.Document != nil {
			l.Services = append(l.Services, c)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(tokens)) {
		if c := tokens[id]; !c.Revoked {
			l.Tokens = append(l.Tokens, c)
		}
	}
	return l, nil
}

// newest decodes the newest entry of each subject. One that cannot be decoded changes nothing on any node,
// and so nothing here.
func newest[T any](ctx context.Context, tx pgx.Tx, kind string, subject func(T) string) (map[string]T, error) {
	rows, err := tx.Query(ctx, `SELECT body::text FROM tiercache.log WHERE kind = $1 AND kind IN ('service', 'token') ORDER BY epoch`, kind)
	if err != nil {
		return nil, err
	}
	bodies, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	found := map[string]T{}
	for _, body := range bodies {
		var change T
		if json.Unmarshal([]byte(body), &change) == nil && subject(change) != "" {
			found[subject(change)] = change
		}
	}
	return found, nil
}

// loadPage is how many entries one statement reads: few enough that it ends within the time limit of statements.
const loadPage = 20_000

// eachRow hands on what is behind an epoch, entry by entry as they come, so that memory does not grow with the log.
func eachRow(ctx context.Context, tx pgx.Tx, after uint64, row func(controllog.Row) error) error {
	for n := loadPage; n == loadPage; {
		rows, err := tx.Query(ctx, `SELECT epoch, prev, at, id, kind, body::text, coalesce(prev_chain, 0), coalesce(chain, 0) FROM tiercache.log WHERE epoch > $1 ORDER BY epoch LIMIT $2`, int64(after), loadPage)
		if err != nil {
			return err
		}
		n = 0
		var r controllog.Row
		var prevChain, chain int64
		_, err = pgx.ForEachRow(rows, []any{&r.Epoch, &r.Prev, &r.Time, &r.ID, &r.Kind, &r.Body, &prevChain, &chain}, func() error {
			r.PrevChain, r.Chain = uint64(prevChain), uint64(chain)
			n, after = n+1, r.Epoch
			if err := row(r); err != nil {
				return fmt.Errorf("%w: %w", errVisitor, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
