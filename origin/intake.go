package origin

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// intake is a request's body with a limit on its size and on how slowly it may come: each read has
// stall, each ChunkSize bytes have chunkTime, which is below a store's lease on an upload. At the body's
// end net/http takes the deadline off the connection.
type intake struct {
	body    io.Reader
	reply   *reply
	limits  limits
	max     int64 // bytes
	got     int64
	chunkBy time.Time // when the current chunk must be whole
}

// limits are the time that clients get.
type limits struct {
	stall     time.Duration // for one read or write to make progress
	chunkTime time.Duration // for ChunkSize bytes of an upload
}

// Read implements io.Reader.
func (in *intake) Read(p []byte) (int, error) {
	now := time.Now()
	if in.chunkBy.IsZero() {
		in.chunkBy = now.Add(in.limits.chunkTime)
	}
	deadline := now.Add(in.limits.stall)
	if in.chunkBy.Before(deadline) {
		deadline = in.chunkBy
	}
	_ = in.reply.control.SetReadDeadline(deadline) // a connection that has no deadlines is a test's
	n, err := in.body.Read(p)
	if (in.got+int64(n))/ChunkSize > in.got/ChunkSize {
		in.chunkBy = time.Time{}
	}
	in.got += int64(n)
	in.reply.received, in.reply.sending, in.reply.begun = in.got, err == nil, time.Now()
	switch {
	case in.got > in.max:
		return 0, tooLarge(in.max)
	case err != nil && err != io.EOF:
		return n, fmt.Errorf("%w: %w", errBody, err)
	}
	return n, err
}

func tooLarge(limit int64) *problem {
	return refuse(http.StatusRequestEntityTooLarge, "the object is larger than the limit of %d bytes (max_object_size)", limit)
}
