package sequencing

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"tiercache/loadtests/processes"
)

const (
	writers = 4
	// rowsEach is how many entries a transaction makes when many are made.
	rowsEach = 100
	// lookAtBacklog is how often the backlog is looked at.
	lookAtBacklog = 50 * time.Millisecond
)

// Throughput is how many entries went from commits to all followers.
type Throughput struct {
	Rows             int // of a transaction
	Wanted, Rate     float64
	Lasted           time.Duration
	Backlog          int           // entries committed that the slowest follower had not applied, at most
	Late             time.Duration // how long ago the oldest of those was committed, at most
	CPU              time.Duration // that all processes used, until all was applied
	Entries          int
	LoadBefore, Load string
}

// committed is how many entries were committed by when.
type committed struct {
	mu struct {
		sync.Mutex
		entries int
		marks   []mark // by time, and so by entries
	}
}

type mark struct {
	at      time.Time
	entries int
}

func (c *committed) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.entries += n
	c.mu.marks = append(c.mu.marks, mark{time.Now(), c.mu.entries})
}

// behind is what is committed beyond the first n entries, and since when.
func (c *committed) behind(n int, now time.Time) (entries int, late time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.mu.marks) > 0 && c.mu.marks[0].entries <= n {
		c.mu.marks = c.mu.marks[1:]
	}
	if len(c.mu.marks) == 0 {
		return 0, 0
	}
	return c.mu.entries - n, now.Sub(c.mu.marks[0].at)
}

func (r *run) throughput(ctx context.Context, report *Report) error {
	r.say("%d entries a second for %v: %d writers, %d rows a transaction", r.cfg.Entries, r.cfg.Lasting, writers, rowsEach)
	return r.flood(ctx, report, rowsEach, float64(r.cfg.Entries), r.cfg.Lasting)
}

// single is as fast as four writers can that make one entry a transaction.
func (r *run) single(ctx context.Context, report *Report) error {
	r.say("one row a transaction for %v: %d writers, as fast as they can", r.cfg.Lasting/3, writers)
	return r.flood(ctx, report, 1, 0, r.cfg.Lasting/3)
}

// flood writes for a while, rate entries a second or, with 0, as fast as can be, and looks at the backlog meanwhile.
func (r *run) flood(ctx context.Context, report *Report, rows int, rate float64, lasting time.Duration) error {
	if err := r.caughtUp(ctx); err != nil {
		return err
	}
	first, err := r.db.head(ctx)
	if err != nil {
		return err
	}
	t := Throughput{Rows: rows, Wanted: rate, LoadBefore: processes.Load()}
	var c committed
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began, used := time.Now(), cpuTime()
	for range writers {
		wg.Go(func() {
			for next := began; time.Since(began) < lasting && ctx.Err() == nil; {
				if err := r.db.exec(ctx, insertRows, rows); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				c.add(rows)
				if rate > 0 {
					next = next.Add(time.Duration(float64(rows*writers) / rate * float64(time.Second)))
					rest(ctx, time.Until(next))
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { wg.Wait(); close(written) }()
	r.followBacklog(&c, first, began, written, &t)
	if err := failed.Load(); err != nil {
		return *err
	}
	if err := r.caughtUp(ctx); err != nil {
		return err
	}
	t.CPU = cpuTime() - used
	report.Throughputs = append(report.Throughputs, t)
	return nil
}

// followBacklog looks at the backlog until all is written.
func (r *run) followBacklog(c *committed, first uint64, began time.Time, written <-chan struct{}, t *Throughput) {
	tick := time.NewTicker(lookAtBacklog)
	defer tick.Stop()
	said := began
	for {
		select {
		case <-written:
			c.mu.Lock()
			t.Lasted = time.Since(began)
			t.Entries = c.mu.entries
			t.Rate = float64(c.mu.entries) / t.Lasted.Seconds()
			c.mu.Unlock()
			t.Load = processes.Load()
			return
		case now := <-tick.C:
			entries, late := c.behind(int(r.slowest()-first), now)
			t.Backlog, t.Late = max(t.Backlog, entries), max(t.Late, late)
			if now.Sub(said) >= 5*time.Second {
				said = now
				r.say("  %d entries and %v behind now, %d and %v at most", entries, late.Round(time.Millisecond), t.Backlog, t.Late.Round(time.Millisecond))
			}
		}
	}
}

// rest waits, unless ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
