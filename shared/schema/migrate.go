package schema

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Control is the name of the schema that the log is in.
const Control = "tiercache"

// migrationLock is the advisory lock that one migrating process holds: "tiercorg" in ASCII.
const migrationLock = 0x74696572636f7267

// MigrateControl brings the schema tiercache up to date. The log has its first entry afterwards.
func MigrateControl(ctx context.Context, cc *pgx.ConnConfig) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return migrate(ctx, cc, Control, files, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT FROM tiercache.sequence()"); err != nil {
			return fmt.Errorf("begin the log: %w", err)
		}
		return nil
	})
}

// Migrate brings a schema up to date by the goose migrations in files, and creates the schema if there is
// none. Processes that start at once do it one after the other. cc itself is left as it is; its time limits
// on statements and locks do not apply, since to build an index may take long: ctx ends it.
func Migrate(ctx context.Context, cc *pgx.ConnConfig, schema string, files fs.FS) error {
	return migrate(ctx, cc, schema, files, func(*pgx.Conn) error { return nil })
}

func migrate(ctx context.Context, cc *pgx.ConnConfig, schema string, files fs.FS, then func(*pgx.Conn) error) error {
	cc = cc.Copy()
	SetSession(cc, map[string]string{
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"idle_in_transaction_session_timeout": "0",
		"default_transaction_isolation":       "read committed", // whatever the database's default is
	})
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // its transactions have ended
	for turn := false; !turn; {
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			// The lock belongs to the transaction, not to the session, so it also works behind a pooler. Nobody waits for it in
			// a transaction: all connections that a pooler has could be taken by those who do, and none be left for who has it.
			if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(migrationLock)).Scan(&turn); err != nil || !turn {
				return err
			}
			// In a transaction of its own, which may take longer than an idle one is allowed to.
			if _, err := tx.Exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
				return err
			}
			return apply(ctx, cc, schema, files)
		})
		if err != nil {
			return err
		}
		if !turn && !pause(ctx) {
			return fmt.Errorf("wait for other nodes that migrate: %w", ctx.Err())
		}
	}
	return then(conn)
}

// pause waits before the next try for the migration lock; false when ctx ends first.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// apply needs the migration lock: CREATE SCHEMA IF NOT EXISTS alone fails when two run it.
func apply(ctx context.Context, cc *pgx.ConnConfig, schema string, files fs.FS) (err error) {
	db := stdlib.OpenDB(*cc)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := create(ctx, db, schema); err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(schema+".goose_db_version"),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the schema %s: %w", schema, err)
	}
	return nil
}

// create leaves an existing schema alone, so that a user without the right to create one can use what an
// administrator has made.
func create(ctx context.Context, db *sql.DB, schema string) error {
	var exists bool
	if err := db.QueryRowContext(ctx, "SELECT to_regnamespace($1) IS NOT NULL", schema).Scan(&exists); err != nil {
		return fmt.Errorf("look for the schema %s: %w", schema, err)
	}
	if exists {
		return nil
	}
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize()); err != nil {
		return fmt.Errorf("create the schema %s: %w", schema, err)
	}
	return nil
}
