// Command run measures what requests cost on a platform that it starts, and writes COST.md, a plot and the figures into a
// folder. With --from it writes the page again from figures that were kept. It exits with 1 when something could not be
// measured, with 2 for a wrong setting.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tiercache/loadtests/cost"
)

func main() {
	cfg := cost.Config{Progress: os.Stderr}
	flag.StringVar(&cfg.Program, "program", "bin/tiercache", "the tiercache to run")
	flag.StringVar(&cfg.DataDir, "data-dir", "", "folder for the data of the platform (default: one of its own, removed at the end)")
	flag.IntVar(&cfg.PortOffset, "port-offset", 6000, "added to each port of the platform")
	flag.IntVar(&cfg.Objects, "objects", 12_000, "objects at the origin; more than 64 MiB of them")
	flag.DurationVar(&cfg.Lasting, "for", 20*time.Second, "how long each phase is measured")
	rates := flag.String("rates", "1000,4000", "requests a second of hits in L1; dearer cases have a part of it")
	prices := flag.String("prices", "loadtests/cost/prices.yaml", "file of prices and assumptions")
	from := flag.String("from", "", "figures of an earlier measurement, such as docs/figures/cost.json: measure nothing")
	out := flag.String("out", "results", "folder for COST.md and figures/")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	files, err := do(ctx, cfg, *rates, *prices, *from, *out)
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		if errors.Is(err, errSetting) {
			os.Exit(2)
		}
		os.Exit(1)
	}
	if len(files) > 0 {
		fmt.Println(strings.Join(files, "\n"))
	}
}

var errSetting = errors.New("a wrong setting")

// do reads the prices first: a mistake in them is told before minutes of measuring.
func do(ctx context.Context, cfg cost.Config, rates, pricesFile, from, out string) ([]string, error) {
	prices, err := cost.ReadPrices(pricesFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSetting, err)
	}
	if from != "" {
		m, err := cost.ReadMeasured(from)
		if err != nil {
			return nil, err
		}
		return cost.Save(out, &m, &prices)
	}
	for _, text := range strings.Split(rates, ",") {
		rate, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			return nil, fmt.Errorf("%w: --rates: %q is not a number", errSetting, text)
		}
		cfg.Rates = append(cfg.Rates, rate)
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", errSetting, err)
	}
	m, err := measure(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return cost.Save(out, &m, &prices)
}

// measure has a folder for the platform's data.
func measure(ctx context.Context, cfg cost.Config) (m cost.Measured, err error) {
	if cfg.DataDir == "" {
		folder, err := os.MkdirTemp("", "tiercache-cost-")
		if err != nil {
			return m, err
		}
		defer func() { _ = os.RemoveAll(folder) }()     // a temporary one
		if err := os.Chmod(folder, 0o755); err != nil { // PostgreSQL runs as somebody else
			return m, err
		}
		cfg.DataDir = folder
	}
	if cfg.DataDir, err = filepath.Abs(cfg.DataDir); err != nil {
		return m, err
	}
	return cost.Run(ctx, cfg)
}
