package semantics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Setups that the suite runs through.
const (
	// Edge is one edge in front of the suite's server.
	Edge = "edge"
	// TwoTiers is an edge, a regional node and Redis.
	TwoTiers = "two-tiers"
)

// Setups are all of them, in the order in which they are run.
func Setups() []string { return []string{Edge, TwoTiers} }

// runTimeout bounds one run of the suite, which takes a quarter of a minute.
const runTimeout = 2 * time.Minute

// Config of a measurement.
type Config struct {
	// Dir is this package's folder: package.json and the baselines are there.
	Dir string
	// Setups are which to run through; empty: all.
	Setups []string
	// Runs is how often each is run; 0: once. A test that does not pass each time has not passed.
	Runs int
	// Program is the path of the program to test; empty: it is built.
	Program string
	// Output receives what was printed by programs that failed, and what is being done.
	Output io.Writer
}

// Result is what came of one setup.
type Result struct {
	Setup string
	// Verdicts are the worst of all runs.
	Verdicts []Verdict
	// Flickering are the tests whose verdict was not the same in all runs, with what it was in each.
	Flickering map[string][]string
}

// Measure builds the program, fetches the suite if it is not there yet, and runs it through each setup.
func Measure(ctx context.Context, cfg Config) ([]Result, error) {
	var results []Result
	err := withBench(ctx, cfg, func(b *bench) error {
		for _, setup := range cfg.setups() {
			result, err := b.measure(ctx, setup, max(cfg.Runs, 1))
			if err != nil {
				return fmt.Errorf("%s: %w", setup, err)
			}
			results = append(results, result)
		}
		return nil
	})
	return results, err
}

// Dump runs one test alone and writes every message of it to cfg.Output, as the suite's client and server saw it.
func Dump(ctx context.Context, cfg Config, id string) error {
	return withBench(ctx, cfg, func(b *bench) error {
		for _, setup := range cfg.setups() {
			if err := b.dump(ctx, setup, id); err != nil {
				return fmt.Errorf("%s: %w", setup, err)
			}
		}
		return nil
	})
}

func (c *Config) setups() []string {
	if len(c.Setups) == 0 {
		return Setups()
	}
	return c.Setups
}

// bench is what all runs share: the suite and the program under test.
type bench struct {
	*suite
	program string
	output  io.Writer
}

// withBench makes a bench and clears it away after use.
func withBench(ctx context.Context, cfg Config, use func(*bench) error) (err error) {
	if cfg.Output == nil {
		cfg.Output = io.Discard
	}
	s, err := newSuite(ctx, cfg.Dir, cfg.Output)
	if err != nil {
		return err
	}
	program := cfg.Program
	if program == "" {
		built, remove, failed := build(ctx)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, remove()) }()
		program = built
	}
	return use(&bench{suite: s, program: program, output: cfg.Output})
}

// measure runs the suite through new nodes each time: what one run has stored is no other's.
func (b *bench) measure(ctx context.Context, setup string, runs int) (Result, error) {
	result := Result{Setup: setup, Flickering: map[string][]string{}}
	var all [][]Verdict
	for range runs {
		verdicts, err := b.once(ctx, setup)
		if err != nil {
			return result, err
		}
		all = append(all, verdicts)
	}
	result.Verdicts, result.Flickering = worst(all)
	return result, nil
}

func (b *bench) once(ctx context.Context, setup string) (verdicts []Verdict, err error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	err = b.through(ctx, setup, func(base string, _ *printed) error {
		results, err := b.run(ctx, base, "")
		if err != nil {
			return err
		}
		verdicts, err = b.judge(ctx, results)
		return err
	})
	return verdicts, err
}

func (b *bench) dump(ctx context.Context, setup, id string) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	return b.through(ctx, setup, func(base string, server *printed) error {
		fmt.Fprintf(b.output, "== through %s\n", setup)
		dumped, err := b.run(ctx, base, id)
		fmt.Fprintf(b.output, "%s\n-- and as the suite's server saw it\n%s", dumped, server)
		return err
	})
}

// through starts the suite's server and the nodes of a setup, and stops them after use.
func (b *bench) through(ctx context.Context, setup string, use func(base string, server *printed) error) (err error) {
	s := &stage{program: b.program, output: b.output}
	defer func() { err = errors.Join(err, s.end(err != nil)) }()
	upstream, server, err := s.startServer(ctx, b.suite)
	if err != nil {
		return err
	}
	base, err := s.startNodes(ctx, setup, upstream)
	if err != nil {
		return err
	}
	return use(base, server)
}
