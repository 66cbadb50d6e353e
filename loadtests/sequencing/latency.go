package sequencing

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"tiercache/control/client"
	"tiercache/loadtests/processes"
	originclient "tiercache/origin/client"
)

// warmUpTime is how long each kind of write is made before any is timed.
const warmUpTime = time.Second

// Latency is from the commits of one kind of write until the last follower had applied their entries.
type Latency struct {
	Kind             string
	Writes           int
	P50, P99, Max    time.Duration
	TargetP50        time.Duration
	TargetP99        time.Duration
	LoadBefore, Load string // of the machine
}

// way is one kind of write.
type way struct {
	name     string
	p50, p99 time.Duration
	write    func(ctx context.Context, i int) error
	commits  func(ctx context.Context) (map[uint64]uint64, error) // epochs and the times of their commits
}

// latencies times each kind of write, one after the other.
func (r *run) latencies(ctx context.Context, report *Report) error {
	if err := r.warmUp(ctx); err != nil {
		return err
	}
	ways, err := r.ways(ctx)
	if err != nil {
		return err
	}
	for _, w := range ways {
		r.say("%s, %d a second", w.name, r.cfg.Rate)
		before := processes.Load()
		n, err := r.paced(ctx, r.cfg.Lasting/3, r.cfg.Rate, w.write)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if err := r.caughtUp(ctx); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		commits, err := w.commits(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		took := r.took(commits)
		report.Latencies = append(report.Latencies, Latency{
			Kind: w.name, Writes: n, P50: quantile(took, 0.5), P99: quantile(took, 0.99), Max: quantile(took, 1),
			TargetP50: w.p50, TargetP99: w.p99, LoadBefore: before, Load: processes.Load(),
		})
	}
	return nil
}

// warmUp writes for a moment, so that connections are open and plans made. None of it is timed.
func (r *run) warmUp(ctx context.Context) error {
	ways, err := r.ways(ctx)
	if err != nil {
		return err
	}
	r.say("warming up")
	for _, w := range ways {
		if _, err := r.paced(ctx, warmUpTime, r.cfg.Rate, w.write); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return r.caughtUp(ctx)
}

// ways are the kinds of write. They know what is written from now on.
func (r *run) ways(ctx context.Context) ([]way, error) {
	for _, statement := range []string{"DROP TABLE IF EXISTS public.bench_sql", "CREATE TABLE public.bench_sql (write text)"} {
		if err := r.db.exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	control, err := client.New(client.Config{URL: r.url(controlPort), Token: r.token})
	if err != nil {
		return nil, err
	}
	objects, err := originclient.New(r.url(originPort), r.token, 16)
	if err != nil {
		return nil, err
	}
	var mark int64
	if err := r.db.pool.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM tiercache.activity").Scan(&mark); err != nil {
		return nil, err
	}
	run := time.Now().UnixNano()
	const ms = time.Millisecond
	return []way{
		{"purge by the API", 2 * ms, 15 * ms, func(ctx context.Context, i int) error {
			_, err := control.CreatePurge(ctx, client.PurgeRequest{Tags: []string{fmt.Sprint("bench-", i)}}, "")
			return err
		}, func(ctx context.Context) (map[uint64]uint64, error) {
			return r.db.commits(ctx, `SELECT l.epoch, pg_xact_commit_timestamp(a.xmin) FROM tiercache.activity a
				JOIN tiercache.log l ON l.id = a.subject || '/0' WHERE a.id > $1 AND a.action = 'purge'`, mark)
		}},
		{"PUT to the origin", 2 * ms, 15 * ms, func(ctx context.Context, i int) error {
			_, err := objects.Put(ctx, originclient.PutRequest{Host: "bench.example", Path: fmt.Sprintf("/%d/%d", run, i), Body: strings.NewReader("x"), Size: 1})
			return err
		}, func(ctx context.Context) (map[uint64]uint64, error) {
			return r.db.commits(ctx, `SELECT l.epoch, pg_xact_commit_timestamp(v.xmin) FROM origin.versions v
				JOIN tiercache.log l ON l.body #>> '{urls,0,path}' = v.path WHERE v.path LIKE $1`, fmt.Sprintf("/%d/%%", run))
		}},
		{"SQL", 8 * ms, 30 * ms, func(ctx context.Context, i int) error {
			return r.db.exec(ctx, `INSERT INTO public.bench_sql SELECT tiercache.invalidate(ARRAY[$1])`, fmt.Sprint("bench-", i))
		}, func(ctx context.Context) (map[uint64]uint64, error) {
			return r.db.commits(ctx, `SELECT l.epoch, pg_xact_commit_timestamp(b.xmin) FROM public.bench_sql b JOIN tiercache.log l ON l.id = b.write || '/0'`)
		}},
	}, nil
}

func (r *run) url(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port+r.cfg.PortOffset) }

// paced calls do so many times a second, whether earlier calls have returned or not, and returns how often.
func (r *run) paced(ctx context.Context, lasting time.Duration, rate int, do func(ctx context.Context, i int) error) (n int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var calls sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	end := time.After(lasting)
	for {
		select {
		case <-tick.C:
			i := n
			n++
			calls.Go(func() {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			})
		case <-end:
			calls.Wait()
			return n, context.Cause(ctx)
		case <-ctx.Done():
			calls.Wait()
			return n, context.Cause(ctx)
		}
	}
}

// took is, for each commit, how long it took until the last follower had applied it, ascending.
func (r *run) took(commits map[uint64]uint64) (took []time.Duration) {
	sights := make([][]sight, len(r.watchers))
	for i, w := range r.watchers {
		sights[i] = w.seen()
	}
	for epoch, committed := range commits {
		last := committed
		for _, s := range sights {
			i := sort.Search(len(s), func(i int) bool { return s[i].epoch >= epoch })
			if i < len(s) {
				last = max(last, s[i].at)
			}
		}
		took = append(took, time.Duration(last-committed)*time.Microsecond)
	}
	slices.Sort(took)
	return took
}

// quantile of ascending durations; 0 of none.
func quantile(took []time.Duration, q float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	return took[min(len(took)-1, int(q*float64(len(took))))]
}
