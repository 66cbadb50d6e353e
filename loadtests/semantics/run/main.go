// Command run runs the suite through an edge alone and through two tiers, and compares with the baselines. It exits
// with 1 when a test that had passed does not any more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"tiercache/loadtests/semantics"
)

func main() {
	cfg := semantics.Config{Output: os.Stderr}
	setup := flag.String("setup", "", "run through this one alone: "+semantics.Edge+" or "+semantics.TwoTiers)
	flag.StringVar(&cfg.Program, "program", "", "test this program; empty: build it")
	id := flag.String("id", "", "run this test alone and show its messages")
	update := flag.Bool("update", false, "make what was measured the baseline")
	failures := flag.Bool("failures", false, "list every required and optimal test that does not pass")
	flag.IntVar(&cfg.Runs, "runs", 1, "how often; a test that does not pass each time has not passed")
	flag.Parse()
	if *setup != "" {
		cfg.Setups = []string{*setup}
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := run(ctx, cfg, *id, *update, *failures); err != nil {
		fmt.Fprintln(os.Stderr, "semantics:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg semantics.Config, id string, update, failures bool) (err error) {
	if cfg.Dir, err = semantics.Folder(ctx); err != nil {
		return err
	}
	if id != "" {
		return semantics.Dump(ctx, cfg, id)
	}
	results, err := semantics.Measure(ctx, cfg)
	if err != nil {
		return err
	}
	var errs []error
	for i := range results {
		if failures {
			fmt.Printf("== %s\n", results[i].Setup)
			semantics.Failures(os.Stdout, &results[i])
		}
		errs = append(errs, settle(cfg.Dir, &results[i], update))
	}
	return errors.Join(append(errs, semantics.Table(os.Stdout, results))...)
}

// settle compares a result with its baseline, or makes it the baseline.
func settle(dir string, r *semantics.Result, update bool) error {
	if update {
		semantics.News(os.Stdout, r, &semantics.Changes{})
		return semantics.WriteBaseline(dir, r)
	}
	baseline, err := semantics.ReadBaseline(dir, r.Setup)
	if err != nil {
		return err
	}
	changes := semantics.Compare(baseline, r.Verdicts)
	semantics.News(os.Stdout, r, &changes)
	return changes.Err(r.Setup)
}
