package sequencing

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"tiercache/loadtests/platform"
	"tiercache/loadtests/processes"
)

// followers is how many processes follow the log beside the platform's own nodes.
const followers = 4

// Ports of `tiercache up`, before its offset.
const (
	controlPort = 7070
	originPort  = 7080
)

// Config of a measurement.
type Config struct {
	Program    string // tiercache
	DataDir    string // of the platform; made if there is none
	PortOffset int
	Rate       int           // writes a second, of each kind, whose way to the nodes is timed
	Entries    int           // entries a second, of which the backlog is measured, 100 a transaction
	Lasting    time.Duration // of that; the other measurements take a third of it
	Pgbench    string        // the program; empty: what a watch costs is not measured
	Progress   io.Writer
}

// run is a measurement under way.
type run struct {
	cfg      Config
	db       *database
	watchers []*watcher
	token    string
}

// Run starts the platform, measures and stops it. The report has what was measured until an error.
func Run(ctx context.Context, cfg Config) (report Report, err error) {
	p, db, err := withCommitTimes(ctx, &cfg)
	if err != nil {
		return report, err
	}
	defer p.Stop()
	defer db.close()
	token, err := platform.Token(cfg.DataDir)
	if err != nil {
		return report, err
	}
	r := &run{cfg: cfg, db: db, token: token}
	defer r.stopWatchers()
	for i := range followers {
		w, err := startWatcher(ctx, "bench-"+strconv.Itoa(i+1), cfg.DataDir)
		if err != nil {
			return report, err
		}
		r.watchers = append(r.watchers, w)
	}
	if err := r.caughtUp(ctx); err != nil {
		return report, err
	}
	for _, step := range []func(context.Context, *Report) error{r.latencies, r.throughput, r.single, r.watched} {
		if err := step(ctx, &report); err != nil {
			return report, err
		}
	}
	return report, nil
}

func (r *run) stopWatchers() {
	for _, w := range r.watchers {
		w.stop()
	}
}

// say tells of progress, with how busy the machine is.
func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.cfg.Progress, "%s  %s  (load %s)\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...), processes.Load())
}

// caughtUp waits until each follower has applied what the log holds now.
func (r *run) caughtUp(ctx context.Context) error {
	head, err := r.db.head(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for r.slowest() < head {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("a follower has applied %d of %d: %w", r.slowest(), head, ctx.Err())
		}
	}
	return nil
}

// slowest is what each follower has applied at least.
func (r *run) slowest() uint64 {
	return slices.Min(applied(r.watchers))
}

func applied(watchers []*watcher) (epochs []uint64) {
	for _, w := range watchers {
		epochs = append(epochs, w.applied())
	}
	return epochs
}

// cpuTime is what this process and its descendants have used of the processors: writers, followers, the platform with its
// PostgreSQL and NATS. Unlike a rate it says the same on a machine that is busy with other work.
func cpuTime() (used time.Duration) {
	all := processes.All()
	for pid, p := range all {
		if processes.Descends(all, pid, os.Getpid()) {
			used += p.CPU
		}
	}
	return used
}
