package proxy

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// errBodyLimit: the request's body is longer than this node passes on.
var errBodyLimit = fmt.Errorf("%w: over the limit", ErrRequestBody)

// requestBody is a client's body on its way to the upstream. What is wrong with it is ErrRequestBody, so
// that no node is taken for broken because a client is.
//
// INVARIANT: after stop nothing reads from the client's connection. An upstream client may go on sending
// a body after the response has come; the listener would then read the next request from the same
// connection at the same time.
type requestBody struct {
	length int64 // -1 when unknown
	limit  int64

	mu struct {
		sync.Mutex           // held during a read, so that stop waits for it; the connection's deadline bounds that
		r          io.Reader // nil once stopped
		read       int64
	}
}

func newRequestBody(r io.Reader, length, limit int64) *requestBody {
	b := &requestBody{length: length, limit: limit}
	b.mu.r = r
	return b
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.r == nil {
		return 0, io.ErrClosedPipe
	}
	n, err := b.mu.r.Read(p)
	b.mu.read += int64(n)
	switch {
	case b.mu.read > b.limit:
		return 0, errBodyLimit
	case errors.Is(err, io.EOF) && b.mu.read < b.length:
		return n, fmt.Errorf("%w: %w", ErrRequestBody, io.ErrUnexpectedEOF)
	case err != nil && !errors.Is(err, io.EOF):
		return n, fmt.Errorf("%w: %w", ErrRequestBody, err)
	}
	return n, err
}

// stop ends the reading of the client's body. It waits for a read that is under way.
func (b *requestBody) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.r = nil
}

// stopBody ends the reading of the request's body, if it has one.
func (r *Request) stopBody() {
	if body, ok := r.Body.(*requestBody); ok {
		body.stop()
	}
}
