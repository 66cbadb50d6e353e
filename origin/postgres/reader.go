package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/origin"
	"tiercache/shared/schema"
)

// Reader reads versions of objects in a schema that is there, in transactions that can write nothing. It is for who
// checks the fleet from outside. Its user needs to read origin.versions and origin.bodies, and no more. It is safe for
// concurrent use.
type Reader struct{ pool *pgxpool.Pool }

// patientTimeout bounds a read that nobody waits for.
const patientTimeout = 30 * time.Second

// OpenReader returns a reader of the database at url. It does not connect. The caller closes it.
func OpenReader(ctx context.Context, url string) (*Reader, error) {
	cfg, err := Config{URL: url}.withDefaults().pool()
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 2
	schema.SetSession(cfg.ConnConfig, map[string]string{
		"application_name": "tiercache-audit", "default_transaction_read_only": "on", "statement_timeout": "30s",
	})
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Reader{pool: pool}, nil
}

// Close closes the connections.
func (r *Reader) Close() { r.pool.Close() }

// Installed reports whether there is an origin's schema. Errors: origin.ErrUnavailable.
func (r *Reader) Installed(ctx context.Context) (there bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patientTimeout)
	defer cancel()
	err = r.pool.QueryRow(ctx, `SELECT to_regclass('origin.versions') IS NOT NULL`).Scan(&there)
	return there, classify(err)
}

// maxRecent is how many versions of an address Recent reads.
const maxRecent = 32

// Recent are the last versions of each address, newest first, deletes included. Errors: origin.ErrUnavailable.
func (r *Reader) Recent(ctx context.Context, of []origin.Address) (map[origin.Address][]origin.Object, error) {
	hosts, paths := make([]string, len(of)), make([]string, len(of))
	for i, a := range of {
		hosts[i], paths[i] = a.Host, a.Path
	}
	ctx, cancel := context.WithTimeout(ctx, patientTimeout)
	defer cancel()
	rows, err := r.pool.Query(ctx, `SELECT x.* FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS a (host, path)) AS a
		CROSS JOIN LATERAL (SELECT `+versionColumns+versionFrom+`
			WHERE v.host = a.host COLLATE "C" AND v.path = a.path COLLATE "C" ORDER BY v.id DESC LIMIT $3) AS x`, hosts, paths, maxRecent)
	if err != nil {
		return nil, classify(fmt.Errorf("read versions: %w", err))
	}
	objects, err := pgx.CollectRows(rows, scanVersion)
	if err != nil {
		return nil, classify(fmt.Errorf("read versions: %w", err))
	}
	found := make(map[origin.Address][]origin.Object)
	for _, o := range objects {
		found[o.Address] = append(found[o.Address], o)
	}
	return found, nil
}
