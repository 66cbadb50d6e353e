package schema

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Remove takes the schema tiercache, with the triggers on watched tables and the group roles, out of the database at
// location, all or nothing. kept is what it had to leave, in words: a role that another database uses too, or that
// has other rights. It does not touch the origin's schema. Errors: ErrNotInstalled, ErrInUse, ErrNewer, and
// PostgreSQL's own when something that is not ours depends on it.
func Remove(ctx context.Context, location string) (kept []string, err error) {
	cfg, err := ParseLocation(location)
	if err != nil {
		return nil, err
	}
	err = session(ctx, cfg.ConnConfig, func(tx pgx.Tx) error {
		kept, err = remove(ctx, tx)
		return err
	})
	return kept, err
}

func remove(ctx context.Context, tx pgx.Tx) (kept []string, err error) {
	version, err := installedVersion(ctx, tx)
	if err != nil {
		return nil, err
	}
	down, newest, err := reversed()
	switch {
	case err != nil:
		return nil, err
	case version > newest:
		return nil, fmt.Errorf("%w: version %d, and not %d", ErrNewer, version, newest)
	}
	if err := unused(ctx, tx); err != nil {
		return nil, err
	}
	// A transaction of an application that holds a lock must not make all others wait behind this one.
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = 0"); err != nil {
		return nil, err
	}
	for _, step := range down {
		if step.version > version {
			continue
		}
		if _, err := tx.Exec(ctx, step.statements); err != nil {
			return nil, fmt.Errorf("take back %s: %w", step.name, err)
		}
	}
	if _, err := tx.Exec(ctx, "DROP TABLE tiercache.goose_db_version; DROP SCHEMA tiercache"); err != nil {
		return nil, err
	}
	return dropRoles(ctx, tx)
}

// unused is ErrInUse when a control node or an origin is connected. Behind a pooler connections may have other names, so
// members that control has refreshed lately count as well.
func unused(ctx context.Context, tx pgx.Tx) error {
	var used bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND application_name IN ('tiercache-control', 'tiercache-origin'))
		OR EXISTS (SELECT FROM tiercache.members WHERE seen_at > now() - interval '10 seconds')`).Scan(&used)
	if err == nil && used {
		err = ErrInUse
	}
	return err
}

// dropRoles needs a savepoint for each: a role that stays is no reason to keep the rest.
func dropRoles(ctx context.Context, tx pgx.Tx) (kept []string, err error) {
	for _, role := range [...]string{"tiercache_writer", "tiercache_reader"} {
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "DROP ROLE IF EXISTS "+role)
			return err
		})
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			kept = append(kept, fmt.Sprintf("role %s: %v", role, err))
		}
	}
	return kept, nil
}

// step is how a migration is taken back.
type step struct {
	version          int64
	name, statements string
}

// reversed are the migrations of this program, the last first, and the version of that.
func reversed() (down []step, newest int64, err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, 0, err
	}
	for _, name := range slices.Backward(names) { // Glob sorts them
		b, err := migrations.ReadFile(name)
		if err != nil {
			return nil, 0, err
		}
		base := strings.TrimPrefix(name, "migrations/")
		number, _, _ := strings.Cut(base, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, 0, err
		}
		_, statements, _ := strings.Cut(string(b), "-- +goose Down")
		down = append(down, step{version: version, name: base, statements: statements})
		newest = max(newest, version)
	}
	return down, newest, nil
}
