package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/origin"
)

// body reads one stored body. It holds at most two chunks: the one being read and the one after it,
// which is fetched meanwhile. It is for one goroutine.
type body struct {
	store  *Store
	id     string
	size   int64
	ctx    context.Context // ends with the request or with Close
	cancel context.CancelFunc

	offset int64
	chunk  []byte // of index; nil: none yet
	index  int64

	ahead      chan fetched // buffered for one; nil: nothing is being fetched ahead
	aheadIndex int64
}

type fetched struct {
	bytes []byte
	err   error
}

var errSeek = errors.New("seek to a negative offset or with an unknown whence")

// Open implements origin.Store.
func (s *Store) Open(ctx context.Context, o origin.Object) io.ReadSeekCloser {
	ctx, cancel := context.WithCancel(ctx)
	return &body{store: s, id: o.BodyID, size: o.Size, ctx: ctx, cancel: cancel}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.offset >= b.size {
		return 0, io.EOF
	}
	if err := b.load(b.offset / origin.ChunkSize); err != nil {
		return 0, err
	}
	n := copy(p, b.chunk[b.offset%origin.ChunkSize:])
	b.offset += int64(n)
	return n, nil
}

// Seek implements io.Seeker; it does no I/O.
func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.offset
	case io.SeekEnd:
		offset += b.size
	case io.SeekStart:
	default:
		return 0, errSeek
	}
	if offset < 0 {
		return 0, errSeek
	}
	b.offset = offset
	return offset, nil
}

// Close ends a fetch that is under way.
func (b *body) Close() error {
	b.cancel()
	if b.ahead != nil {
		<-b.ahead
		b.ahead = nil
	}
	return nil
}

// load makes chunk the one of that index and starts to fetch the next.
func (b *body) load(index int64) error {
	if b.chunk != nil && b.index == index {
		return nil
	}
	f := b.take(index)
	if f.err != nil {
		return f.err
	}
	b.chunk, b.index = f.bytes, index
	if (index+1)*origin.ChunkSize < b.size {
		b.fetchAhead(index + 1)
	}
	return nil
}

// take returns the chunk that was fetched ahead if it is the wanted one, else fetches it.
func (b *body) take(index int64) fetched {
	if b.ahead != nil {
		f := <-b.ahead
		b.ahead = nil
		if b.aheadIndex == index {
			return f
		}
	}
	return b.fetch(index)
}

func (b *body) fetchAhead(index int64) {
	done := make(chan fetched, 1)
	b.ahead, b.aheadIndex = done, index
	go func() { done <- b.fetch(index) }()
}

// fetch reads and checks one chunk.
func (b *body) fetch(index int64) fetched {
	var sum int64
	var bytes []byte
	err := b.store.read(b.ctx, func(ctx context.Context, db *pgxpool.Pool) error {
		return db.QueryRow(ctx, `SELECT checksum, bytes FROM origin.chunks WHERE body_id = $1 AND index = $2`,
			b.id, index).Scan(&sum, &bytes)
	})
	want := min(origin.ChunkSize, b.size-index*origin.ChunkSize)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		err = fmt.Errorf("%w: chunk %d of body %s is missing", origin.ErrCorrupt, index, b.id)
	case err != nil:
		return fetched{err: fmt.Errorf("read chunk %d: %w", index, err)}
	case int64(len(bytes)) != want || checksum(index, bytes) != sum:
		err = fmt.Errorf("%w: chunk %d of body %s does not match its checksum", origin.ErrCorrupt, index, b.id)
	}
	if err != nil {
		b.store.corruptChunks.Add(1)
		return fetched{err: err}
	}
	return fetched{bytes: bytes}
}

// checksum covers the index too, so that a chunk in the wrong place does not pass. CRC-32C finds what
// a disk or a restore breaks; the SHA-256 of the whole is for clients to check.
func checksum(index int64, chunk []byte) int64 {
	table := crc32.MakeTable(crc32.Castagnoli)
	var prefix [8]byte
	binary.BigEndian.PutUint64(prefix[:], uint64(index))
	return int64(crc32.Update(crc32.Checksum(prefix[:], table), table, chunk))
}
