// Package drill loses the database of a platform that is under load, restores it to a point in time while readers go on,
// and measures what that costs: commits that were acknowledged and are lost (RPO), and the time until all is as before
// (RTO). It keeps each write and each read, and judges afterwards what readers were promised: nothing of the branch of
// the log that was lost is served once the fleet has begun its new term, and before that it is marked.
//
// Start reading at Run, then judge.go.
package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tiercache/control/backup"
)

// Config of a drill.
type Config struct {
	Program    string // tiercache
	Dir        string // an empty folder, which PostgreSQL's account may enter
	PortOffset int
	Objects    int           // each has one writer
	Readers    int           // at each edge
	Load       time.Duration // of writes before the base backup, and between it and the target
	Back       time.Duration // the target is that long before the disaster, or as long as the archive is behind
	Lag        time.Duration // how old what is not archived may be
	Latest     bool          // the target is the end of the archive
	Say        func(format string, args ...any)
}

// Run does all of it. The error is one of the set-up; what is wrong with the platform is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if cfg.Objects < 1 || cfg.Readers < 1 {
		return nil, errors.New("drill: at least one object and one reader")
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	p, err := start(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	l, err := newLoad(p, &cfg)
	if err != nil {
		return nil, err
	}
	defer l.close()
	d := &drill{cfg: &cfg, platform: p, load: l, report: &Report{Target: "the end of the archive"}}
	err = l.during(ctx, d.run)
	if err != nil {
		return nil, err
	}
	d.report.finish(l)
	return d.report, nil
}

// drill is one run, under load.
type drill struct {
	cfg      *Config
	platform *fleet
	load     *load
	report   *Report
}

// run is what an operator does, and what happens to them.
func (d *drill) run(ctx context.Context) error {
	say, r := d.cfg.Say, d.report
	if err := pass(ctx, d.cfg.Load); err != nil {
		return err
	}
	say("base backup under load")
	if _, err := d.platform.command(ctx, "control", "backup", "--repository", d.platform.repository(), "--keep", "2"); err != nil {
		return err
	}
	if err := pass(ctx, d.cfg.Load); err != nil {
		return err
	}
	target := time.Now().UTC().Truncate(time.Microsecond)
	if !d.cfg.Latest { // else what the archive lacks is what is to be seen
		if err := d.archived(ctx); err != nil {
			return err
		}
	}
	if err := pass(ctx, time.Until(target.Add(d.cfg.Back))); err != nil {
		return err
	}
	// Some of what will be lost is stored by then.
	d.load.gate.odd.Store(true)
	if err := await(ctx, time.Minute, d.load.seen); err != nil {
		return err
	}
	say("disaster: PostgreSQL is killed, and its data directory deleted")
	d.load.gate.all.Store(true) // else writers would change what is compared
	r.Disaster = time.Now()
	if err := d.platform.loseDatabase(ctx); err != nil {
		return err
	}
	args := []string{"control", "restore", "--repository", d.platform.repository(), "--data-dir", d.platform.database(), "--control", d.platform.control(), "-o", "json"}
	if d.cfg.Latest {
		args = append(args, "--to", "latest")
	} else {
		r.At, r.Target = target, target.Format("2006-01-02 15:04:05.000 UTC")
		args = append(args, "--to", target.Format(time.RFC3339Nano))
	}
	out, err := d.platform.command(ctx, args...)
	if err != nil {
		return err
	}
	r.Restored = time.Now()
	if err := r.read(out); err != nil {
		return err
	}
	say("restored; waiting for the platform")
	return d.comeBack(ctx)
}

// comeBack waits until all is as before, and lets the load go on.
func (d *drill) comeBack(ctx context.Context) error {
	r := d.report
	epoch, err := d.load.probe(ctx)
	if err != nil {
		return err
	}
	r.FirstWrite = time.Now()
	if err := d.platform.awaitLeases(ctx, epoch); err != nil {
		return err
	}
	r.Leases = time.Now()
	d.cfg.Say("a write is acknowledged, and all nodes hold a lease")
	if err := d.load.readRestored(ctx); err != nil {
		return err
	}
	if err := d.load.purgeAll(ctx); err != nil {
		return fmt.Errorf("a purge after the restore: %w", err)
	}
	r.Receipts = time.Now()
	// Readers look at what was restored before anybody writes to it.
	if err := pass(ctx, d.cfg.Load/2); err != nil {
		return err
	}
	d.load.gate.open()
	return pass(ctx, d.cfg.Load)
}

// archived waits until the archive has what was committed before it is called, and something that was committed later: else
// PostgreSQL could not tell that it has reached the target.
func (d *drill) archived(ctx context.Context) error {
	closed, err := d.platform.closedSegment()
	if err != nil {
		return err
	}
	return await(ctx, time.Minute, func() error {
		repository, err := backup.Open(d.platform.repository())
		if err != nil {
			return err
		}
		list, err := repository.Reaches()
		if err != nil {
			return err
		}
		// The one behind it was written to when this was called, and the next one from then on.
		if len(list) == 0 || list[len(list)-1].Reach.After(closed) < 2 {
			return errors.New("the archive is behind")
		}
		return nil
	})
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// await asks until it returns nil, or the time is over: then with what it said last.
func await(ctx context.Context, limit time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if pass(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}
