package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Errors of Upgrade and Remove.
var (
	// ErrNotInstalled: the database has no schema tiercache.
	ErrNotInstalled = errors.New("the database has no schema tiercache")
	// ErrInUse: nodes are connected to the database, or were a moment ago.
	ErrInUse = errors.New("nodes use the schema tiercache: stop them first")
	// ErrNewer: the schema was made by a later release.
	ErrNewer = errors.New("the schema tiercache is newer than this program")
)

// Installed is what an installation has come to.
type Installed struct {
	From, To int64    // versions of the schema; From is 0 when there was none
	Problems []string // what could not be done, such as to make roles; the rest works without
}

// Install makes the schema tiercache in the database at location, or brings it up to date, and gives the group roles
// their rights.
func Install(ctx context.Context, location string) (Installed, error) {
	cfg, err := ParseLocation(location)
	if err != nil {
		return Installed{}, err
	}
	var in Installed
	if in.From, err = versionAt(ctx, cfg.ConnConfig); err != nil && !errors.Is(err, ErrNotInstalled) {
		return Installed{}, err
	}
	if err := MigrateControl(ctx, cfg.ConnConfig); err != nil {
		return Installed{}, err
	}
	if in.To, err = versionAt(ctx, cfg.ConnConfig); err != nil {
		return Installed{}, err
	}
	return in, session(ctx, cfg.ConnConfig, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT tiercache.grant_rights()")
		if err != nil {
			return err
		}
		in.Problems, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
}

// Upgrade is Install for a database that has the schema. Errors: ErrNotInstalled.
func Upgrade(ctx context.Context, location string) (Installed, error) {
	cfg, err := ParseLocation(location)
	if err != nil {
		return Installed{}, err
	}
	if _, err := versionAt(ctx, cfg.ConnConfig); err != nil {
		return Installed{}, err
	}
	return Install(ctx, location)
}

func versionAt(ctx context.Context, cc *pgx.ConnConfig) (version int64, err error) {
	err = session(ctx, cc, func(tx pgx.Tx) error {
		version, err = installedVersion(ctx, tx)
		return err
	})
	return version, err
}

func installedVersion(ctx context.Context, tx pgx.Tx) (version int64, err error) {
	var exists bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass('tiercache.goose_db_version') IS NOT NULL").Scan(&exists); err != nil {
		return 0, err
	}
	if !exists {
		return 0, ErrNotInstalled
	}
	err = tx.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM tiercache.goose_db_version WHERE is_applied").Scan(&version)
	return version, err
}

// session runs work in one transaction, while nobody migrates.
func session(ctx context.Context, cc *pgx.ConnConfig, work func(pgx.Tx) error) error {
	conn, err := pgx.ConnectConfig(ctx, cc.Copy())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // its transaction has ended
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
			return fmt.Errorf("wait for others that migrate: %w", err)
		}
		return work(tx)
	})
}
