package cost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"tiercache/loadtests/openloop"
)

const (
	// workers is how many requests of a stream are in flight at most, and how many connections it has.
	workers = 128

	// askTimeout bounds one request.
	askTimeout = 15 * time.Second
)

// reader asks a node for objects, as browsers of its host do.
type reader struct {
	base string
	http *http.Client
	set  *set
}

func newReader(base string, set *set) *reader {
	return &reader{base: base, set: set, http: &http.Client{Timeout: askTimeout, Transport: &http.Transport{
		MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers, DisableCompression: true,
	}}}
}

func (r *reader) close() { r.http.CloseIdleConnections() }

var errWrong = errors.New("a wrong answer")

// read fetches an object and returns the bytes of its body. Errors: errWrong for another status or size than the object's.
func (r *reader) read(ctx context.Context, object int, query string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+r.set.path(object)+query, nil)
	if err != nil {
		return 0, err
	}
	req.Host = host
	resp, err := r.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		return n, err
	}
	if want := int64(r.set.sizes[object]); resp.StatusCode != http.StatusOK || n != want {
		return n, fmt.Errorf("%w: status %d with %d bytes for an object of %d (%s)", errWrong, resp.StatusCode, n, want, resp.Header.Get("Cache-Status"))
	}
	return n, nil
}

// readAll fetches all objects, from the last to the first, as fast as the workers can: the most popular ones come last, and so
// are what a store has kept.
func (r *reader) readAll(ctx context.Context) error {
	n := len(r.set.sizes)
	all := openloop.Stream{Count: n, Workers: workers, Do: func(ctx context.Context, i int) (int64, error) { return r.read(ctx, n-1-i, "") }}
	t := all.Drive(ctx)
	if t.First != nil {
		return fmt.Errorf("read all objects: %d of %d failed: %w", t.Errors, n, t.First)
	}
	return ctx.Err()
}
