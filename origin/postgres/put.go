package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/origin"
)

// Put implements origin.Store. A write that would change nothing leaves the current version as it is,
// so that a client may repeat a write that it is not sure about.
func (s *Store) Put(ctx context.Context, up origin.Upload) (origin.Object, bool, error) {
	if _, err := s.db(); err != nil {
		return origin.Object{}, false, err
	}
	if up.Fields == nil {
		up.Fields = origin.Fields{} // a nil map would be a JSON null
	}
	u, err := s.receive(ctx, up.Body)
	if err != nil {
		u.abandon(ctx)
		return origin.Object{}, false, err
	}
	digest := u.digest()
	if up.Digest != nil && *up.Digest != digest {
		u.abandon(ctx)
		return origin.Object{}, false, fmt.Errorf("%w: it has %s", origin.ErrDigest, digest.Field())
	}
	r, err := s.replace(ctx, up, u, digest)
	if err != nil || r.object.BodyID != u.id {
		u.abandon(ctx)
	}
	if err != nil {
		return origin.Object{}, false, err
	}
	r.object.Epoch = s.epochOf(ctx, up.Address, r.entry, &r.moved)
	return r.object, r.created, nil
}

// epochOf is the epoch of a write that is committed and has moved entries, 0 while it cannot be told: control sequences the
// write then. A write that changed nothing made no entry: the epoch is one as of which what was there is known to be
// current.
func (s *Store) epochOf(ctx context.Context, a origin.Address, entry string, m *moved) uint64 {

	if entry == "" {
		current, err := s.Current(ctx, a)
		if err != nil && !errors.Is(err, origin.ErrNotFound) { // a delete that came right behind has a later epoch
			return 0
		}
		return current.Epoch
	}
	for i := range m.rows {
		if m.rows[i].ID == entry {
			return m.rows[i].Epoch
		}
	}
	epoch, err := s.sequence(ctx, entry)
	if err != nil { // counted and logged where it happened
		return 0
	}
	return epoch
}

// replaced is what replace did.
type replaced struct {
	object  origin.Object
	created bool
	entry   string // id of the write's entry in the outbox; empty: nothing was changed
	moved   moved  // what its transaction has moved into the log
}

// replace makes the upload the current version of its address, in one transaction.
func (s *Store) replace(ctx context.Context, up origin.Upload, u *upload, digest origin.Digest) (r replaced, err error) {
	r.moved, err = s.writeAtOnce(ctx, func(ctx context.Context, tx pgx.Tx) error {
		current, err := lockAddress(ctx, tx, up.Address)
		if err != nil {
			return err
		}
		if !up.Conditions.Hold(current) {
			return origin.ErrPrecondition
		}
		if current != nil && current.Same(digest, up.Fields) {
			r.object = *current
			return nil
		}
		r.created = current == nil
		r.object = origin.Object{Address: up.Address, Digest: digest, Size: u.size, Fields: up.Fields}
		if r.object.BodyID, err = u.finish(ctx, tx, digest); err != nil {
			return err
		}
		if err := s.switchVersion(ctx, tx, &r.object, current); err != nil {
			return err
		}
		r.entry, err = announce(ctx, tx, up.Address)
		return err
	})
	return r, err
}

// addressLocks is the first half of the keys of the advisory locks of addresses: "tcob" in ASCII.
const addressLocks = 0x74636f62

// takeTurn waits until no other transaction writes to the address. Two addresses may share a turn.
//
// INVARIANT: a transaction has no transaction id before its turn has come, since sequence() gives epochs to what was
// committed in the order of these ids. The lock of the row would not do: who has waited for it has an id, and may
// have to wait once more, behind a transaction that has got a later id meanwhile.
func takeTurn(ctx context.Context, tx pgx.Tx, a origin.Address) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, hashtext($2))`, addressLocks, a.Host+a.Path); err != nil {
		return fmt.Errorf("wait for other writes of the object: %w", err)
	}
	return nil
}

// lockAddress creates the address' row if need be, locks it until the transaction ends and returns the
// current version, nil when there is none. The update that changes nothing is there because a
// conflicting insert alone would lock no row, and two creations would not see each other.
func lockAddress(ctx context.Context, tx pgx.Tx, a origin.Address) (*origin.Object, error) {
	if err := takeTurn(ctx, tx, a); err != nil {
		return nil, err
	}
	var version *int64
	err := tx.QueryRow(ctx, `INSERT INTO origin.objects AS o (host, path) VALUES ($1, $2)
		ON CONFLICT (host, path) DO UPDATE SET version_id = o.version_id RETURNING version_id`, a.Host, a.Path).Scan(&version)
	if err != nil {
		return nil, fmt.Errorf("lock the object: %w", err)
	}
	return currentIn(ctx, tx, version)
}

// switchVersion inserts o as a new version, ends the current one and points the address at o. It sets
// o.Version and o.Created, which never goes back although clocks may.
func (s *Store) switchVersion(ctx context.Context, tx pgx.Tx, o, current *origin.Object) error {
	var earliest time.Time
	if current != nil {
		earliest = current.Created
	}
	err := tx.QueryRow(ctx, `INSERT INTO origin.versions (host, path, body_id, fields, created_at)
		VALUES ($1, $2, $3, $4, greatest(clock_timestamp(), $5)) RETURNING id, created_at`,
		o.Host, o.Path, o.BodyID, o.Fields, earliest).Scan(&o.Version, &o.Created)
	if err != nil {
		return fmt.Errorf("insert the version: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE origin.objects SET version_id = $3 WHERE host = $1 AND path = $2`, o.Host, o.Path, o.Version); err != nil {
		return fmt.Errorf("switch the version: %w", err)
	}
	if current == nil {
		return nil
	}
	return s.endVersion(ctx, tx, current)
}

// endVersion marks o as replaced and removes the versions of its address that are too many.
func (s *Store) endVersion(ctx context.Context, tx pgx.Tx, o *origin.Object) error {
	if _, err := tx.Exec(ctx, `UPDATE origin.versions SET ended_at = clock_timestamp() WHERE id = $1`, o.Version); err != nil {
		return fmt.Errorf("end the old version: %w", err)
	}
	var removed int64
	err := tx.QueryRow(ctx, `WITH gone AS (
			DELETE FROM origin.versions WHERE host = $1 AND path = $2 AND ended_at IS NOT NULL AND id NOT IN (
				SELECT id FROM origin.versions WHERE host = $1 AND path = $2 ORDER BY id DESC LIMIT $3)
			RETURNING body_id
		), `+releaseGone, o.Host, o.Path, s.cfg.KeepVersions).Scan(&removed)
	if err != nil {
		return fmt.Errorf("remove old versions: %w", err)
	}
	s.versionsRemoved.Add(uint64(removed))
	return nil
}

// releaseGone hands the bodies of the versions deleted in the common table gone to clean-up, and
// returns how many versions there were.
const releaseGone = `released AS (
		INSERT INTO origin.released (body_id, at) SELECT DISTINCT body_id, clock_timestamp() FROM gone WHERE body_id IS NOT NULL
	) SELECT count(*) FROM gone`

// Delete implements origin.Store. What remains is a version that records the delete.
func (s *Store) Delete(ctx context.Context, a origin.Address, c origin.Conditions) (uint64, error) {
	var entry string
	m, err := s.writeAtOnce(ctx, func(ctx context.Context, tx pgx.Tx) error {
		current, err := lockExisting(ctx, tx, a)
		switch {
		case err != nil:
			return err
		case !c.Hold(current):
			return origin.ErrPrecondition
		case current == nil:
			return origin.ErrNotFound
		}
		if _, err := tx.Exec(ctx, `DELETE FROM origin.objects WHERE host = $1 AND path = $2`, a.Host, a.Path); err != nil {
			return fmt.Errorf("delete the object: %w", err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO origin.versions (host, path, fields, deleted, ended_at)
			VALUES ($1, $2, '{}', true, clock_timestamp())`, a.Host, a.Path); err != nil {
			return fmt.Errorf("record the delete: %w", err)
		}
		if err := s.endVersion(ctx, tx, current); err != nil {
			return err
		}
		entry, err = announce(ctx, tx, a)
		return err
	})
	if err != nil {
		return 0, err
	}
	return s.epochOf(ctx, a, entry, &m), nil
}

// lockExisting locks the address' row if there is one and returns its current version, else nil.
func lockExisting(ctx context.Context, tx pgx.Tx, a origin.Address) (*origin.Object, error) {
	if err := takeTurn(ctx, tx, a); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT version_id FROM origin.objects WHERE host = $1 AND path = $2 FOR UPDATE`, a.Host, a.Path)
	if err != nil {
		return nil, fmt.Errorf("lock the object: %w", err)
	}
	versions, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(versions) == 0 {
		return nil, err
	}
	return currentIn(ctx, tx, &versions[0])
}
