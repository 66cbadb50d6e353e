package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Config of a run.
type Config struct {
	Program  string // of the fleet: see Build
	Switch   string // the mechanism that is off in it; empty: none
	Seed     uint64
	For      time.Duration
	Only     []string // kinds of faults; empty: all
	Evidence string   // folder for the history, logs and what was found; made
	Progress io.Writer
}

func (c *Config) logs() string        { return filepath.Join(c.Evidence, "logs") }
func (c *Config) historyFile() string { return filepath.Join(c.Evidence, "history.jsonl") }

// Validate reports the first setting that cannot work.
func (c *Config) Validate() error {
	if c.For < time.Second {
		return fmt.Errorf("--for %v: at least a second", c.For)
	}
	for _, name := range c.Only {
		if _, ok := faultNamed(name); !ok {
			return fmt.Errorf("--only %s: there is no such fault; there are %s", name, faultNames())
		}
	}
	return nil
}

// quietTime is how long clients go on when all faults are over.
const quietTime = 3 * time.Second

// Run runs the fleet under faults, in the sandbox, and judges its history. The error is one of the run itself; what is
// wrong with the fleet is in the report.
func Run(ctx context.Context, cfg Config) (report *Report, err error) {
	if !Inside() {
		return nil, errors.New("faults: it runs in a sandbox alone")
	}
	if err := furnish(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.logs(), 0o755); err != nil {
		return nil, err
	}
	f, err := newFleet(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	record, err := newRecorder(cfg.historyFile())
	if err != nil {
		return nil, err
	}
	err = operate(ctx, &cfg, f, record)
	if closed := record.close(); err != nil || closed != nil {
		return nil, errors.Join(err, closed)
	}
	return Judge(&cfg)
}

// operate runs clients and faults until the time is over and everything has been read once more.
func operate(ctx context.Context, cfg *Config, f *fleet, record *recorder) error {
	u, err := newUpstream(cfg.Seed, record)
	if err != nil {
		return err
	}
	defer func() { _ = u.server.Close() }() // nobody asks any more
	say(cfg, "starting the fleet: 2 control nodes, an origin, 2 regional nodes, 4 edges; seed %d", cfg.Seed)
	if err := f.start(ctx); err != nil {
		return err
	}
	t := newTrouble(f, u, record, cfg)
	if err := t.settle(ctx, startTime); err != nil {
		return fmt.Errorf("the fleet is not well after its start: %w", err)
	}
	c := newCrowd(f, record, cfg.Seed, u)
	if err := c.begin(ctx); err != nil {
		return err
	}
	working, cancel := context.WithCancel(ctx)
	c.work(working)
	err = t.run(ctx, cfg.For)
	if err == nil {
		_ = rest(ctx, quietTime) // or it is interrupted
	}
	cancel()
	c.all.Wait()
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	return t.finish(ctx, c)
}

func say(cfg *Config, format string, args ...any) {
	fmt.Fprintf(cfg.Progress, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
