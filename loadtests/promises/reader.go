package promises

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// readerKind is what a reader carries, and so what it is promised.
type readerKind int

const (
	plainReader readerKind = iota // nothing: it must see what is settled
	tokenReader                   // the epoch of the last write: it must see that write
	jarReader                     // the highest epoch that it was given: it must not go back
)

func (k readerKind) String() string {
	return [...]string{"a reader", "a reader with a write's epoch", "a reader with its own epoch"}[k]
}

// answer is what an edge said.
type answer struct {
	version int64
	epoch   uint64
	status  string // Cache-Status
}

// reader reads one object after the other, each at the next edge.
func (r *run) reader(ctx context.Context, kind readerKind, number int) {
	var jar uint64
	seen := make([]int64, len(r.objects))
	for i := number; ctx.Err() == nil; i++ {
		at := i % len(r.objects)
		o, edge := r.objects[at], r.cfg.Edges[(i/len(r.objects)+i)%len(r.cfg.Edges)]
		promised, min := o.settled.Load(), uint64(0)
		last := o.latest.Load()
		switch kind {
		case tokenReader:
			min, promised = last.epoch, max(promised, last.version)
		case jarReader:
			min, promised = jar, max(promised, seen[at])
		}
		got, err := r.read(ctx, edge, o, min)
		if err != nil {
			if ctx.Err() == nil {
				r.note(func(rep *Report) { rep.ReadErrors++ })
				rest(ctx, 10*time.Millisecond)
			}
			continue
		}
		r.count(&got, last)
		if got.version < promised {
			r.violation("%s of %s at %s saw version %d, promised %d (min epoch %d, reply's epoch %d, %s)",
				kind, o.path, edge, got.version, promised, min, got.epoch, got.status)
		}
		jar, seen[at] = max(jar, got.epoch), max(seen[at], got.version)
	}
}

// count notes a read; last is the write that had returned before it began.
func (r *run) count(got *answer, last *write) {
	r.note(func(rep *Report) {
		rep.Reads++
		if strings.Contains(got.status, "; hit") {
			rep.Hits++
		}
		if got.version < last.version {
			rep.LongestStale = max(rep.LongestStale, time.Since(last.at))
		}
	})
}

// read gets an object from an edge.
func (r *run) read(ctx context.Context, edge string, o *object, min uint64) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, edge+o.path, nil)
	if err != nil {
		return answer{}, err
	}
	request.Host = r.cfg.Host
	if min > 0 {
		request.Header.Set("Tiercache-Min-Epoch", strconv.FormatUint(min, 10))
	}
	response, err := r.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or broken
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	if response.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("status %d", response.StatusCode)
	}
	first, padding, ok := strings.Cut(string(body), "\n")
	version, err := strconv.ParseInt(first, 10, 64)
	if !ok || err != nil || len(padding) != o.size {
		return answer{}, errors.New("not the object's body")
	}
	epoch, _ := strconv.ParseUint(response.Header.Get("Tiercache-Epoch"), 10, 64) // 0 for none
	return answer{version: version, epoch: epoch, status: strings.Join(response.Header.Values("Cache-Status"), ", ")}, nil
}
