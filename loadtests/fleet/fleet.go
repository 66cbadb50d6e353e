package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/control/client"
	"tiercache/loadtests/platform"
)

const (
	// slower is how many times less often than a real node a follower renews its lease: all of them, and what they follow,
	// share one machine.
	slower = 10

	// herdSize is how many followers a process has at most.
	herdSize = 1000

	// settleTime is how long a purge may take until every follower has applied it, and a fleet to be there.
	settleTime = 2 * time.Minute

	// pace is how long after a purge the next one comes at least: not before all followers have applied it.
	pace = 500 * time.Millisecond
)

// controlPort is that of `tiercache up`, before its offset.
const controlPort = 7070

// Config of a measurement.
type Config struct {
	Program    string // tiercache
	DataDir    string // of the platform; made anew for each size
	PortOffset int
	Sizes      []int         // followers
	Purges     int           // of each size, one by one
	Idle       time.Duration // how long a fleet is looked at that has nothing to do
	Progress   io.Writer
}

// Validate reports a setting that Run would refuse.
func (c *Config) Validate() error {
	if len(c.Sizes) == 0 || slices.Min(c.Sizes) < 1 || c.Purges < 1 || c.Idle < time.Second {
		return errors.New("give sizes of at least 1 follower, at least 1 purge, and at least 1s to be idle")
	}
	return nil
}

// Run measures fleets of each size, each with a platform of its own. The report has what was measured until an error.
func Run(ctx context.Context, cfg Config) (Report, error) {
	report := Report{Slower: slower}
	if err := cfg.Validate(); err != nil {
		return report, err
	}
	for _, size := range cfg.Sizes {
		m, err := one(ctx, cfg, size)
		if err != nil {
			return report, fmt.Errorf("%d followers: %w", size, err)
		}
		report.Fleets = append(report.Fleets, m)
	}
	return report, nil
}

// run is the measurement of one size.
type run struct {
	cfg      Config
	size     int
	platform *platform.Platform
	control  *client.Client
	db       *pgx.Conn
	herds    []*herd
}

func one(ctx context.Context, cfg Config, size int) (m Measured, err error) {
	cfg.DataDir = filepath.Join(cfg.DataDir, strconv.Itoa(size))
	p, err := platform.Start(ctx, platform.Config{
		Program: cfg.Program, DataDir: cfg.DataDir, PortOffset: cfg.PortOffset, Env: []string{"TIERCACHE_MAX_MEMBERS=" + strconv.Itoa(size+10)},
	})
	if err != nil {
		return m, err
	}
	defer p.Stop()
	r := &run{cfg: cfg, size: size, platform: p}
	if err := r.connect(ctx); err != nil {
		return m, err
	}
	defer func() { _ = r.db.Close(context.WithoutCancel(ctx)) }() // the server is stopped next
	empty, err := r.usage()
	if err != nil {
		return m, err
	}
	defer r.stopHerds()
	if err := r.gather(ctx); err != nil {
		return m, err
	}
	return r.measure(ctx, empty)
}

// connect opens the ways to control and to its database.
func (r *run) connect(ctx context.Context) error {
	secret, err := platform.Token(r.cfg.DataDir)
	if err != nil {
		return err
	}
	if r.control, err = client.New(client.Config{URL: fmt.Sprintf("http://127.0.0.1:%d", controlPort+r.cfg.PortOffset), Token: secret}); err != nil {
		return err
	}
	location, err := platform.PostgresURL(r.cfg.DataDir)
	if err != nil {
		return err
	}
	r.db, err = pgx.Connect(ctx, location)
	return err
}

// gather starts the followers and waits until all of them follow.
func (r *run) gather(ctx context.Context) error {
	r.say("%d followers join", r.size)
	began := time.Now()
	for first := 0; first < r.size; first += herdSize {
		h, err := startHerd(ctx, r.cfg.DataDir, first, min(herdSize, r.size-first))
		if err != nil {
			return err
		}
		r.herds = append(r.herds, h)
	}
	for _, h := range r.herds {
		if err := h.gathered(ctx); err != nil {
			return err
		}
	}
	r.say("%d followers have joined, after %v", r.size, time.Since(began).Round(100*time.Millisecond))
	return nil
}

func (r *run) stopHerds() {
	for _, h := range r.herds {
		h.stop()
	}
}

// say tells of progress.
func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.cfg.Progress, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
