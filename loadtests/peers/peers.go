package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tiercache/loadtests/processes"
)

// Config of a measurement.
type Config struct {
	Program     string        // tiercache
	Only        []string      // names of the servers to measure; empty: all
	Cases       []string      // names of the cases to measure; empty: all
	Rounds      int           // through all servers, of each case
	Lasting     time.Duration // of one server in one round
	Connections int           // kept alive by wrk, and by the open loop
	Share       float64       // of nginx's requests a second, or of the first server's without it: the rate of the open loop
	Stored      int           // objects of 1 KiB that memory is measured with; 0: it is not
	PortOffset  int           // added to each port
	ServerCPU   int           // the processor of the servers
	LoadCPU     int           // that of everything else
	Progress    io.Writer
}

// run is a measurement under way.
type run struct {
	cfg  Config
	dir  string
	site *site
	now  []contender
}

// Run measures and returns what it has until an error. It pins this process to Config.LoadCPU.
func Run(ctx context.Context, cfg Config) (report *Report, err error) {
	report = &Report{Began: time.Now(), Machine: processes.Machine(), Load: processes.Load(), Config: cfg}
	if err := pin(cfg.LoadCPU); err != nil {
		return report, err
	}
	r := &run{cfg: cfg}
	if r.now, err = chosen(cfg.Only); err != nil {
		return report, err
	}
	cases, err := chosenCases(cfg.Cases)
	if err != nil {
		return report, err
	}
	if r.dir, err = memoryFolder(); err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	if r.site, err = startSite(); err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, r.site.stop()) }()
	for _, c := range r.now {
		if v, err := c.version(ctx, cfg); err == nil {
			report.Versions = append(report.Versions, Version{c.name, v})
		}
	}
	for _, c := range cases {
		m, profile, err := r.measure(ctx, c)
		report.Cases = append(report.Cases, m)
		if report.Profile == nil {
			report.Profile = profile
		}
		if err != nil {
			return report, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if cfg.Stored > 0 {
		if report.Memory, err = r.memory(ctx); err != nil {
			return report, fmt.Errorf("memory: %w", err)
		}
	}
	return report, nil
}

// measure runs one case: all servers at once, one of them under load at a time. The profile is the edge's.
func (r *run) measure(ctx context.Context, c workload) (m Case, profile []Share, err error) {
	m.Name, m.Servers = c.name, make([]Measured, len(r.now))
	servers, stop, err := r.startAll(ctx)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return m, nil, err
	}
	for i, s := range servers {
		m.Servers[i].Name = s.name
		r.say("%s, %s: fill", c.name, s.name)
		if err := fill(ctx, s, c); err != nil {
			return m, nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if err := r.throughput(ctx, servers, c, &m); err != nil {
		return m, nil, err
	}
	if servers[0].name == tiercacheEdge().name {
		if profile, err = r.profile(ctx, servers[0], c); err != nil {
			return m, nil, err
		}
	}
	if !c.latency {
		return m, profile, nil
	}
	return m, profile, r.latencies(ctx, servers, c, &m)
}

func (r *run) throughput(ctx context.Context, servers []*server, c workload, m *Case) error {
	for round := range r.cfg.Rounds {
		for i, s := range servers {
			got, err := r.wrk(ctx, s, c)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			m.Servers[i].Rounds = append(m.Servers[i].Rounds, got)
			r.say("%s, round %d of %d, %s: %.0f requests a second", c.name, round+1, r.cfg.Rounds, s.name, got.Rate)
		}
	}
	return nil
}

func (r *run) latencies(ctx context.Context, servers []*server, c workload, m *Case) error {
	m.Rate = r.rate(m)
	for range r.cfg.Rounds {
		for i, s := range servers {
			took, err := r.openLoop(ctx, s, c, m.Rate)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			m.Servers[i].Latencies = append(m.Servers[i].Latencies, took)
			r.say("%s at %.0f requests a second, %s: p50 %v, p99 %v", c.name, m.Rate, s.name, took.P50.Round(time.Microsecond), took.P99.Round(time.Microsecond))
		}
	}
	return nil
}

// rate is that of the open loop: a share of what nginx can.
func (r *run) rate(m *Case) float64 {
	of := &m.Servers[0]
	for i := range m.Servers {
		if m.Servers[i].Name == "nginx" {
			of = &m.Servers[i]
		}
	}
	return of.Throughput() * r.cfg.Share
}

// startAll starts every server; stop ends those that run.
func (r *run) startAll(ctx context.Context) (servers []*server, stop func() error, err error) {
	stop = func() (err error) {
		for _, s := range servers {
			err = errors.Join(err, s.stop())
		}
		return err
	}
	for i, c := range r.now {
		s, err := r.start(ctx, c, basePort+i*10)
		if err != nil {
			return servers, stop, fmt.Errorf("%s: %w", c.name, err)
		}
		servers = append(servers, s)
	}
	return servers, stop, nil
}

// basePort is the first server's, before Config.PortOffset.
const basePort = 21000

// say tells of progress.
func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.cfg.Progress, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// memoryFolder is a new folder in memory, which the servers' users may read.
func memoryFolder() (string, error) {
	dir, err := os.MkdirTemp("/dev/shm", "tiercache-peers-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// pin keeps this process, and what it starts, on one processor.
func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return err
	}
	for _, t := range tasks { // a thread that begins later has the set of the one that began it
		var id int
		if _, err := fmt.Sscanf(filepath.Base(t), "%d", &id); err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("pin to processor %d: %w", cpu, err)
		}
	}
	return nil
}
