package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Watch is a table whose changes purge tags.
type Watch struct {
	Table     string // schema.table, each quoted where SQL needs it
	Service   string // empty: the tags of all services
	Templates []string
	CatchAll  string // the tag of rows that give none
	Problem   string // empty: none
}

func scanWatch(row pgx.CollectableRow) (w Watch, err error) {
	return w, row.Scan(&w.Table, &w.Service, &w.Templates, &w.CatchAll, &w.Problem)
}

const selectWatches = `SELECT format('%I.%I', n.nspname, c.relname), coalesce(w.service, ''), w.templates, coalesce(w.catch_all, ''), coalesce(w.problem, '')
	FROM tiercache.watches w JOIN pg_class c ON c.oid = w.relation JOIN pg_namespace n ON n.oid = c.relnamespace`

// Watches lists the watched tables by name. Error: ErrUnavailable.
func (s *Store) Watches(ctx context.Context) ([]Watch, error) {
	return many(ctx, s, scanWatch, selectWatches+` ORDER BY 1`)
}

// AddWatch watches a table, in place of the watch that it may have, and returns what is kept of it. Errors: ErrInvalid
// when there is no such table or column, or it cannot be watched by this user; ErrUnavailable.
func (s *Store) AddWatch(ctx context.Context, w Watch, by Actor) (kept Watch, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT tiercache.watch_in(nullif($1, ''), $2::text::regclass, VARIADIC $3::text[])`, w.Service, w.Table, w.Templates); err != nil {
			return refusal(err)
		}
		rows, err := tx.Query(ctx, selectWatches+` WHERE w.relation = $1::text::regclass`, w.Table)
		if err != nil {
			return err
		}
		if kept, err = pgx.CollectExactlyOneRow(rows, scanWatch); err != nil {
			return err
		}
		return addActivity(ctx, tx, by, "watch", kept.Table, strings.Join(kept.Templates, " "))
	})
	return kept, err
}

// RemoveWatch ends the watch of a table. Errors: ErrNotFound, ErrInvalid, ErrUnavailable.
func (s *Store) RemoveWatch(ctx context.Context, table string, by Actor) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT tiercache.unwatch($1::text::regclass)`, table); err != nil {
			return refusal(err)
		}
		return addActivity(ctx, tx, by, "unwatch", table, "")
	})
}

// SQLSTATEs that tell what is wrong with a watch.
const (
	stateUndefinedTable  = "42P01"
	stateInvalidSchema   = "3F000"
	stateUndefinedObject = "42704" // the table is not watched
	stateInUse           = "55006" // as a part of another table, or a part of it is
)

// refusal is what PostgreSQL says of a watch that cannot be, in its own words.
func refusal(err error) error {
	var pg *pgconn.PgError
	switch {
	case !errors.As(err, &pg):
		return err
	case pg.Code == stateUndefinedTable, pg.Code == stateInvalidSchema, pg.Code == stateUndefinedObject:
		return fmt.Errorf("%w: %s", ErrNotFound, pg.Message)
	case pg.Code == stateInUse, strings.HasPrefix(pg.Code, "42"), strings.HasPrefix(pg.Code, "22"):
		return fmt.Errorf("%w: %s", ErrInvalid, pg.Message)
	}
	return err
}
