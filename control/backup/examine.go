package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jackc/pgx/v5"
)

// Findings are what a restored database was found to have.
type Findings struct {
	Schema   int64     `json:"schema"` // version of the schema tiercache; 0: there is none
	Head     uint64    `json:"head_epoch"`
	HeadTime time.Time `json:"head_time"` // commit time of that epoch
	Entries  int64     `json:"entries"`   // of the log
	Chained  int64     `json:"hashes"`    // of them that have one, all of which were made again
	Waiting  int64     `json:"outbox"`    // writes that were committed and have no epoch yet
	Objects  int64     `json:"objects"`
	Bodies   int64     `json:"bodies"`
	Bytes    int64     `json:"bytes"`       // of them
	Read     bool      `json:"bodies_read"` // each body was compared with its digest
}

// examine looks for contradictions in the restored database. Errors: ErrInconsistent.
func (s *server) examine(ctx context.Context, from *Entry, o *RestoreOptions) (f Findings, err error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return f, fmt.Errorf("look at database %s as role %s: %w", from.Database, from.Role, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var log, objects bool
	err = conn.QueryRow(ctx, "SELECT to_regclass('tiercache.log') IS NOT NULL, to_regclass('origin.objects') IS NOT NULL").Scan(&log, &objects)
	switch {
	case err != nil:
		return f, err
	case !log && from.Head != 0:
		return f, fmt.Errorf("%w: the backup has a control log, and there is none", ErrInconsistent)
	}
	var wrong []error
	if log {
		wrong = append(wrong, f.examineLog(ctx, conn, from))
	}
	if objects {
		wrong = append(wrong, f.examineObjects(ctx, conn))
		if !o.Quick {
			wrong = append(wrong, f.readBodies(ctx, conn, o.Say))
		}
	}
	return f, errors.Join(wrong...)
}

// contradictions are what is wrong by a query that names it, one row each.
func contradictions(ctx context.Context, conn *pgx.Conn, query string, args ...any) error {
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	var wrong []error
	for _, text := range found {
		wrong = append(wrong, fmt.Errorf("%w: %s", ErrInconsistent, text))
	}
	return errors.Join(wrong...)
}

// chainQuery makes the hash of each entry again. An entry is linked to the one before it unless that was compacted away.
const chainQuery = `SELECT format('entry %s of the control log does not follow the one before it, %s', e.epoch, coalesce(e.before::text, 'which is missing'))
	FROM (SELECT l.epoch, l.prev, l.chain, l.prev_chain, lag(l.epoch) OVER w AS before, lag(l.chain) OVER w AS link,
			l.chain IS NULL OR l.chain = tiercache.chain_step(l.prev_chain, NULL, tiercache.chain_text(l.epoch, l.prev, l.at, l.id, l.kind, l.body) COLLATE "C") AS whole
		FROM tiercache.log AS l WINDOW w AS (ORDER BY l.epoch)) AS e
	WHERE NOT e.whole OR CASE WHEN e.before = e.prev THEN e.link IS DISTINCT FROM e.prev_chain AND e.link IS NOT NULL
		ELSE e.prev > coalesce((SELECT s.compacted FROM tiercache.server AS s), 0) END
	ORDER BY e.epoch LIMIT 3`

func (f *Findings) examineLog(ctx context.Context, conn *pgx.Conn, from *Entry) error {
	err := conn.QueryRow(ctx, `SELECT (SELECT max(version_id) FROM tiercache.goose_db_version WHERE is_applied), count(*), count(chain), coalesce(max(epoch), 0),
		(SELECT l.at FROM tiercache.log AS l ORDER BY l.epoch DESC LIMIT 1), (SELECT count(*) FROM tiercache.outbox) FROM tiercache.log`).
		Scan(&f.Schema, &f.Entries, &f.Chained, &f.Head, &f.HeadTime, &f.Waiting)
	if err != nil {
		return fmt.Errorf("read the control log: %w", err)
	}
	f.HeadTime = f.HeadTime.UTC()
	if f.Head < from.Head {
		err = fmt.Errorf("%w: the control log ends with epoch %d, and the backup has epoch %d already", ErrInconsistent, f.Head, from.Head)
	}
	return errors.Join(err, contradictions(ctx, conn, chainQuery),
		contradictions(ctx, conn, `SELECT format('the outbox has a write of transaction %s, which is not over yet', min(xid::text)) FROM tiercache.outbox
			WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()) HAVING count(*) > 0`))
}

const objectsQuery = `SELECT format('object %s%s has no version that belongs to it', o.host, o.path) FROM origin.objects AS o
	LEFT JOIN origin.versions AS v ON v.id = o.version_id WHERE v.id IS NULL OR v.deleted OR v.host <> o.host OR v.path <> o.path LIMIT 3`

const bodiesQuery = `SELECT format('body %s has %s bytes in %s chunks, and should have %s', b.id, coalesce(c.bytes, 0), coalesce(c.chunks, 0), b.size) FROM origin.bodies AS b
	LEFT JOIN (SELECT body_id, sum(octet_length(bytes)) AS bytes, count(*) AS chunks, max(index) AS last FROM origin.chunks GROUP BY body_id) AS c ON c.body_id = b.id
	WHERE b.sha256 IS NOT NULL AND (coalesce(c.bytes, 0) <> b.size OR coalesce(c.last + 1, 0) <> coalesce(c.chunks, 0)) LIMIT 3`

func (f *Findings) examineObjects(ctx context.Context, conn *pgx.Conn) error {
	err := conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM origin.objects), count(*), coalesce(sum(size), 0)::bigint FROM origin.bodies WHERE sha256 IS NOT NULL`).
		Scan(&f.Objects, &f.Bodies, &f.Bytes)
	if err != nil {
		return fmt.Errorf("read the objects: %w", err)
	}
	return errors.Join(contradictions(ctx, conn, objectsQuery), contradictions(ctx, conn, bodiesQuery))
}

// readBodies compares each body with its digest. A row is a chunk.
func (f *Findings) readBodies(ctx context.Context, conn *pgx.Conn, say func(string, ...any)) error {
	rows, err := conn.Query(ctx, `SELECT b.id::text, b.sha256, c.bytes FROM origin.bodies AS b JOIN origin.chunks AS c ON c.body_id = b.id
		WHERE b.sha256 IS NOT NULL ORDER BY b.id, c.index`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var id, of string
	var want, wanted, chunk []byte
	var wrong []error
	sum, done, said := sha256.New(), int64(0), time.Now()
	end := func() {
		if of != "" && !bytes.Equal(sum.Sum(nil), wanted) && len(wrong) < 3 {
			wrong = append(wrong, fmt.Errorf("%w: body %s is not what its digest says", ErrInconsistent, of))
		}
	}
	for rows.Next() {
		if err := rows.Scan(&id, &want, &chunk); err != nil {
			return err
		}
		if id != of {
			end()
			sum.Reset()
			of, wanted = id, want
		}
		sum.Write(chunk)
		if done += int64(len(chunk)); time.Since(said) > time.Second {
			said = time.Now()
			say("bodies: %s of %s compared with their digests", humanize.IBytes(uint64(done)), humanize.IBytes(uint64(f.Bytes)))
		}
	}
	end()
	f.Read = rows.Err() == nil
	return errors.Join(rows.Err(), errors.Join(wrong...))
}
