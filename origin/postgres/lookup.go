package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/origin"
)

// versionColumns are what a scan reads, from versions v left joined to bodies b.
const versionColumns = `v.host, v.path, v.id, v.fields, v.created_at, v.ended_at, v.deleted,
	coalesce(v.body_id::text, '') AS body, coalesce(b.sha256, '') AS sha256, coalesce(b.size, 0) AS size`

const currentFrom = ` FROM origin.objects o
	JOIN origin.versions v ON v.id = o.version_id
	JOIN origin.bodies b ON b.id = v.body_id`

const versionFrom = ` FROM origin.versions v LEFT JOIN origin.bodies b ON b.id = v.body_id`

// scan fills an object from versionColumns.
type scan struct {
	object *origin.Object
	digest []byte
	ended  *time.Time
}

func newScan(o *origin.Object) *scan { return &scan{object: o} }

// targets are what the columns are scanned into, in their order.
func (c *scan) targets() []any {
	o := c.object
	return []any{&o.Host, &o.Path, &o.Version, &o.Fields, &o.Created, &c.ended, &o.Deleted, &o.BodyID, &c.digest, &o.Size}
}

// finish takes over what had to be scanned into something else.
func (c *scan) finish() {
	copy(c.object.Digest[:], c.digest)
	if c.ended != nil {
		c.object.Ended = *c.ended
	}
}

func scanVersion(row pgx.CollectableRow) (o origin.Object, err error) {
	s := newScan(&o)
	err = row.Scan(s.targets()...)
	s.finish()
	return o, err
}

// Lookup implements origin.Store.
func (s *Store) Lookup(ctx context.Context, a origin.Address) (origin.Object, error) {
	return s.one(ctx, a.Path, currentFrom+` WHERE o.path = $2 AND o.host IN ($3, '*') ORDER BY o.host = '*' LIMIT 1`, a.Host)
}

// Current implements origin.Store.
func (s *Store) Current(ctx context.Context, a origin.Address) (origin.Object, error) {
	return s.one(ctx, a.Path, currentFrom+` WHERE o.path = $2 AND o.host = $3`, a.Host)
}

// Version implements origin.Store.
func (s *Store) Version(ctx context.Context, a origin.Address, version int64) (origin.Object, error) {
	return s.one(ctx, a.Path, versionFrom+` WHERE v.path = $2 AND v.host = $3 AND v.id = $4 AND NOT v.deleted`, a.Host, version)
}

// maxVersions bounds a list of versions; KeepVersions is lower in any sensible setup.
const maxVersions = 1000

// Versions implements origin.Store.
func (s *Store) Versions(ctx context.Context, a origin.Address) ([]origin.Object, error) {
	return s.many(ctx, `SELECT `+versionColumns+versionFrom+`
		WHERE v.host = $1 AND v.path = $2 ORDER BY v.id DESC LIMIT $3`, a.Host, a.Path, maxVersions)
}

// List implements origin.Store. Paths are ASCII, so the paths with a prefix are those from it up to
// the prefix with its last byte raised by one.
func (s *Store) List(ctx context.Context, q origin.Query) (origin.Page, error) {
	end := ""
	if q.Prefix != "" {
		last := len(q.Prefix) - 1
		end = q.Prefix[:last] + string(rune(q.Prefix[last]+1))
	}
	objects, err := s.many(ctx, `SELECT `+versionColumns+currentFrom+`
		WHERE o.host = $1 AND o.path >= $2 AND ($3 = '' OR o.path < $3) AND o.path > $4
		ORDER BY o.path LIMIT $5`, q.Host, q.Prefix, end, q.After, q.Limit+1)
	if err != nil || len(objects) <= q.Limit {
		return origin.Page{Objects: objects}, err
	}
	objects = objects[:q.Limit]
	return origin.Page{Objects: objects, Next: objects[q.Limit-1].Path}, nil
}

func (s *Store) many(ctx context.Context, sql string, args ...any) (objects []origin.Object, err error) {
	err = s.read(ctx, func(ctx context.Context, db *pgxpool.Pool) error {
		rows, err := db.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		objects, err = pgx.CollectRows(rows, scanVersion)
		return err
	})
	return objects, err
}

// currentIn is Current inside a transaction that has locked the address' row.
func currentIn(ctx context.Context, tx pgx.Tx, version *int64) (*origin.Object, error) {
	if version == nil {
		return nil, nil
	}
	rows, err := tx.Query(ctx, `SELECT `+versionColumns+versionFrom+` WHERE v.id = $1`, *version)
	if err != nil {
		return nil, err
	}
	o, err := pgx.CollectExactlyOneRow(rows, scanVersion)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errors.New("the current version of an object is missing")
	}
	return &o, err
}
