package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tiercache/origin"
)

// upload is a body on its way in. Its chunks are committed one by one under an id of its own, invisible
// to readers, except that the last, partial chunk waits in memory: so a body below ChunkSize is stored
// in the transaction that makes it visible, and nothing is staged for it.
type upload struct {
	store  *Store
	id     string
	sum    hash.Hash
	size   int64
	staged int64  // chunks committed
	tail   []byte // the last chunk, below ChunkSize; empty when the size is a multiple of it
}

// receive reads body to its end. After an error the caller must abandon what was staged.
func (s *Store) receive(ctx context.Context, body io.Reader) (*upload, error) {
	id, err := uuid.NewV7() // grows with time, which keeps the index of the chunks dense
	if err != nil {
		return nil, fmt.Errorf("make an upload id: %w", err)
	}
	u := &upload{store: s, id: id.String(), sum: sha256.New()}
	buf := make([]byte, origin.ChunkSize)
	for {
		n, err := fill(body, buf)
		u.sum.Write(buf[:n])
		u.size += int64(n)
		switch {
		case err != nil && err != io.EOF:
			return u, err
		case n < len(buf):
			u.tail = buf[:n]
			return u, nil
		}
		if err := u.stage(ctx, buf); err != nil {
			return u, err
		}
	}
}

// fill reads until buf is full or body ends. It is io.ReadFull but for one thing: that returns
// io.ErrUnexpectedEOF at the end of a body as well as for a body that was cut off, and the one is a
// whole object, the other is none.
func fill(body io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var read int
		read, err = body.Read(buf[n:])
		n += read
	}
	if n == len(buf) {
		return n, nil
	}
	return n, err
}

func (u *upload) digest() origin.Digest { return origin.Digest(u.sum.Sum(nil)) }

// stage commits one whole chunk and renews the upload's lease. The commit does not wait for the disk:
// the one that makes the object visible does, and PostgreSQL writes its log in order.
func (u *upload) stage(ctx context.Context, chunk []byte) error {
	pool, err := u.store.db()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	batch := &pgx.Batch{} // one implicit transaction
	batch.Queue(`SELECT set_config('synchronous_commit', 'off', true)`)
	lease := u.store.cfg.UploadLease.Seconds()
	if u.staged == 0 {
		batch.Queue(`INSERT INTO origin.bodies (id, expires_at) VALUES ($1, now() + make_interval(secs => $2))`, u.id, lease)
	} else {
		batch.Queue(`UPDATE origin.bodies SET expires_at = now() + make_interval(secs => $2) WHERE id = $1`, u.id, lease)
	}
	batch.Queue(insertChunk, u.id, u.staged, checksum(u.staged, chunk), chunk)
	err = pool.SendBatch(limited, batch).Close()
	if isForeignKey(err) {
		return fmt.Errorf("%w: no chunk came for %v", origin.ErrExpired, u.store.cfg.UploadLease)
	}
	if lost(err) {
		pool.Reset()
	}
	if err := outcome(ctx, err); err != nil {
		return fmt.Errorf("stage chunk %d: %w", u.staged, err)
	}
	u.staged++
	return nil
}

const insertChunk = `INSERT INTO origin.chunks (body_id, index, checksum, bytes) VALUES ($1, $2, $3, $4)`

// finish makes the upload a body of the given digest and returns the body's id: the upload's own, or
// that of an equal body that is there already. The transaction holds the content's lock until it ends.
func (u *upload) finish(ctx context.Context, tx pgx.Tx, digest origin.Digest) (string, error) {
	if err := lockContent(ctx, tx, digest); err != nil {
		return "", err
	}
	id, err := findBody(ctx, tx, digest)
	if id != "" || err != nil {
		return id, err
	}
	if u.staged == 0 {
		_, err = tx.Exec(ctx, `INSERT INTO origin.bodies (id, sha256, size) VALUES ($1, $2, $3)`, u.id, digest[:], u.size)
	} else {
		err = u.complete(ctx, tx, digest)
	}
	if err == nil && len(u.tail) > 0 {
		_, err = tx.Exec(ctx, insertChunk, u.id, u.staged, checksum(u.staged, u.tail), u.tail)
	}
	if err != nil {
		return "", fmt.Errorf("store the body: %w", err)
	}
	return u.id, nil
}

// complete ends the lease, unless clean-up was faster.
func (u *upload) complete(ctx context.Context, tx pgx.Tx, digest origin.Digest) error {
	tag, err := tx.Exec(ctx, `UPDATE origin.bodies SET sha256 = $2, size = $3, expires_at = NULL WHERE id = $1`, u.id, digest[:], u.size)
	if err == nil && tag.RowsAffected() == 0 {
		return origin.ErrExpired
	}
	return err
}

// abandonTimeout bounds the removal of chunks that no version will have.
const abandonTimeout = 5 * time.Second

// abandon removes what was staged and is not part of a body. When the database is away too, clean-up
// does it once the lease has run out.
func (u *upload) abandon(ctx context.Context) {
	if u == nil || u.staged == 0 {
		return
	}
	pool, err := u.store.db()
	if err != nil {
		return
	}
	limited, cancel := detached(ctx, abandonTimeout)
	defer cancel()
	tag, err := pool.Exec(limited, `DELETE FROM origin.bodies WHERE id = $1 AND sha256 IS NULL`, u.id)
	if err != nil {
		u.store.log.Warn("abandoned upload left for clean-up", "upload", u.id, "error", err)
		return
	}
	u.store.uploadsAbandoned.Add(uint64(tag.RowsAffected()))
}

// contentLocks is the class of the advisory locks of contents.
const contentLocks = 0x7463

// lockContent serialises the writers of one content until their transaction ends. Two contents may
// share a lock, which only makes one wait for the other.
func lockContent(ctx context.Context, tx pgx.Tx, digest origin.Digest) error {
	key := int32(uint32(digest[0])<<24 | uint32(digest[1])<<16 | uint32(digest[2])<<8 | uint32(digest[3]))
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1::int, $2::int)`, int32(contentLocks), key); err != nil {
		return fmt.Errorf("lock the content: %w", err)
	}
	return nil
}

// findBody returns the id of the body with that digest, "" when there is none. The row's lock keeps it
// from clean-up until the transaction ends.
func findBody(ctx context.Context, tx pgx.Tx, digest origin.Digest) (string, error) {
	rows, err := tx.Query(ctx, `SELECT id::text FROM origin.bodies WHERE sha256 = $1 FOR KEY SHARE`, digest[:])
	if err != nil {
		return "", fmt.Errorf("look for the body: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}
