package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock that one migrating origin holds: "tiercorg" in ASCII.
const migrationLock = 0x74696572636f7267

// migrate brings the schema up to date. Origins that start at once do it one after the other.
func (s *Store) migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	pool, err := s.cfg.pool()
	if err != nil {
		return err
	}
	cc := pool.ConnConfig.Copy()
	cc.RuntimeParams["statement_timeout"] = "0" // building an index may take long
	cc.RuntimeParams["lock_timeout"] = "0"
	cc.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // the lock's transaction has ended
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// The lock belongs to the transaction, not to the session, so it also works behind a pooler.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
			return fmt.Errorf("wait for other origins: %w", err)
		}
		return applyMigrations(ctx, cc)
	})
}

// applyMigrations needs the migration lock: CREATE SCHEMA IF NOT EXISTS alone fails when two run it.
func applyMigrations(ctx context.Context, cc *pgx.ConnConfig) (err error) {
	db := stdlib.OpenDB(*cc)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := createSchema(ctx, db); err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName("origin.goose_db_version"),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the schema origin: %w", err)
	}
	return nil
}

// createSchema leaves an existing schema alone, so that a user without the right to create one can use
// what an administrator has made.
func createSchema(ctx context.Context, db *sql.DB) error {
	var exists bool
	if err := db.QueryRowContext(ctx, "SELECT to_regnamespace('origin') IS NOT NULL").Scan(&exists); err != nil {
		return fmt.Errorf("look for the schema origin: %w", err)
	}
	if exists {
		return nil
	}
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA origin"); err != nil {
		return fmt.Errorf("create the schema origin: %w", err)
	}
	return nil
}
