package cost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// workers is how many requests of a stream are in flight at most, and how many connections it has. What is due while
	// all of them are taken waits, and that wait is part of its time.
	workers = 128

	// askTimeout bounds one request.
	askTimeout = 15 * time.Second
)

// stream is requests at a fixed rate: each is due at its time, whether those before are over or not.
type stream struct {
	count int
	rate  float64 // a second; 0: all are due at once
	do    func(ctx context.Context, i int) (bytes int64, err error)
}

// tally is what came of a stream.
type tally struct {
	requests, errors int
	bytes            int64 // of bodies
	p50, p99         time.Duration
	first            error
}

// due is when a request is, from the beginning.
func (s *stream) due(i int) time.Duration {
	if s.rate == 0 {
		return 0
	}
	return time.Duration(float64(i) / s.rate * float64(time.Second))
}

// drive makes the requests and waits for the last one. Times are from when a request was due until its body had ended.
func (s *stream) drive(ctx context.Context) tally {
	due, took := make(chan int, s.count), make([]time.Duration, s.count)
	var bytes, failed atomic.Int64
	var first atomic.Pointer[error]
	began := time.Now()
	var all sync.WaitGroup
	for range min(workers, s.count) {
		all.Go(func() {
			for i := range due {
				got, err := s.do(ctx, i)
				took[i] = time.Since(began) - s.due(i)
				bytes.Add(got)
				if err != nil {
					failed.Add(1)
					first.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	sent := 0
	for ; sent < s.count && wait(ctx, s.due(sent)-time.Since(began)) == nil; sent++ {
		due <- sent
	}
	close(due)
	all.Wait()
	t := tally{requests: sent, errors: int(failed.Load()), bytes: bytes.Load()}
	if err := first.Load(); err != nil {
		t.first = *err
	}
	if took = took[:sent]; sent > 0 {
		slices.Sort(took)
		t.p50, t.p99 = took[sent/2], took[sent*99/100]
	}
	return t
}

// wait returns at once for a time that is over.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

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
	all := stream{count: n, do: func(ctx context.Context, i int) (int64, error) { return r.read(ctx, n-1-i, "") }}
	t := all.drive(ctx)
	if t.first != nil {
		return fmt.Errorf("read all objects: %d of %d failed: %w", t.errors, n, t.first)
	}
	return ctx.Err()
}
