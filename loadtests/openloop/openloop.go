// Package openloop drives requests at a fixed rate for load tests: each is due at its time, whether those before are over or
// not, and its time counts from then. Start reading at Stream.
package openloop

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Stream is requests at a fixed rate.
type Stream struct {
	Count   int
	Rate    float64 // a second; 0: all are due at once
	Workers int     // requests in flight at most. What is due while all are taken waits, and that wait is part of its time.
	Do      func(ctx context.Context, i int) (bytes int64, err error)
}

// Tally is what came of a stream.
type Tally struct {
	Requests, Errors int
	Bytes            int64 // of bodies
	P50, P99, Max    time.Duration
	Lasted           time.Duration // until the last one was over
	First            error         // of those that failed
}

// due is when a request is, from the beginning.
func (s *Stream) due(i int) time.Duration {
	if s.Rate == 0 {
		return 0
	}
	return time.Duration(float64(i) / s.Rate * float64(time.Second))
}

// Drive makes the requests and waits for the last one. None begins when ctx has ended. Times are from when a request was due
// until Do has returned.
func (s *Stream) Drive(ctx context.Context) Tally {
	d := drive{stream: s, began: time.Now(), took: slices.Repeat([]time.Duration{unsent}, s.Count)}
	var workers sync.WaitGroup
	for range min(s.Workers, s.Count) {
		workers.Go(func() { d.work(ctx) })
	}
	workers.Wait()
	t := Tally{Errors: int(d.failed.Load()), Bytes: d.bytes.Load(), Lasted: time.Since(d.began)}
	if err := d.first.Load(); err != nil {
		t.First = *err
	}
	// Where ctx has ended, some of the last ones taken were not sent.
	took := slices.DeleteFunc(d.took, func(t time.Duration) bool { return t == unsent })
	if t.Requests = len(took); t.Requests > 0 {
		slices.Sort(took)
		t.P50, t.P99, t.Max = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	}
	return t
}

// unsent stands for the time of a request that was not made.
const unsent = -1

// drive is a stream under way.
type drive struct {
	stream        *Stream
	began         time.Time
	next          atomic.Int64
	took          []time.Duration // of each request
	bytes, failed atomic.Int64
	first         atomic.Pointer[error]
}

// work makes one request after the other.
func (d *drive) work(ctx context.Context) {
	for {
		i := int(d.next.Add(1)) - 1
		if i >= d.stream.Count || Wait(ctx, d.stream.due(i)-time.Since(d.began)) != nil {
			return
		}
		got, err := d.stream.Do(ctx, i)
		d.took[i] = time.Since(d.began) - d.stream.due(i)
		d.bytes.Add(got)
		if err != nil {
			d.failed.Add(1)
			d.first.CompareAndSwap(nil, &err)
		}
	}
}

// Wait waits for a time, if that is not over. Errors: ctx's, when it ends before.
func Wait(ctx context.Context, d time.Duration) error {
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
