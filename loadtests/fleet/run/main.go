// Command run measures fleets of several sizes on platforms that it starts, prints tables and writes them, with a plot, into a
// folder. It exits with 1 when something could not be measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tiercache/loadtests/fleet"
	"tiercache/loadtests/platform"
	"tiercache/loadtests/processes"
)

func main() {
	cfg := fleet.Config{Progress: os.Stderr}
	flag.StringVar(&cfg.Program, "program", "bin/tiercache", "the tiercache to run")
	flag.StringVar(&cfg.DataDir, "data-dir", "", "folder for the data of the platforms (default: one of its own, removed at the end)")
	flag.IntVar(&cfg.PortOffset, "port-offset", 5000, "added to each port of the platforms")
	flag.IntVar(&cfg.Purges, "purges", 40, "how many purges, of each size")
	flag.DurationVar(&cfg.Idle, "idle", 20*time.Second, "how long a fleet is looked at that has nothing to do")
	sizes := flag.String("sizes", "100,1000,5000", "numbers of followers")
	results := flag.String("results", "results", "folder for tables and plot")
	follow := flag.Int("follow", -1, "be followers, from that number on: what this program starts itself")
	count := flag.Int("count", 1, "how many followers to be")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	var err error
	if *follow >= 0 {
		err = beFollowers(ctx, cfg.DataDir, *follow, *count)
	} else {
		err = measure(ctx, cfg, *sizes, *results)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func beFollowers(ctx context.Context, dataDir string, first, count int) error {
	node, err := platform.SettingsOf(dataDir, "edge-1")
	if err != nil {
		return err
	}
	return fleet.Follow(context.WithoutCancel(ctx), first, count, node, os.Stdin, os.Stdout) // an interrupt ends it through its input
}

func measure(ctx context.Context, cfg fleet.Config, sizes, results string) error {
	for _, text := range strings.Split(sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("--sizes: %q is not a number", text)
		}
		cfg.Sizes = append(cfg.Sizes, n)
	}
	if cfg.DataDir == "" {
		folder, err := os.MkdirTemp("", "tiercache-fleet-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(folder) }()     // a temporary one
		if err := os.Chmod(folder, 0o755); err != nil { // PostgreSQL runs as somebody else
			return err
		}
		cfg.DataDir = folder
	}
	if abs, err := filepath.Abs(cfg.DataDir); err == nil {
		cfg.DataDir = abs
	}
	report, err := fleet.Run(ctx, cfg)
	if len(report.Fleets) > 0 {
		fmt.Printf("\n%s; renewals at 1/%d of their rate\n\n%s", processes.Machine(), report.Slower, report)
		files, saved := report.Save(results, time.Now())
		if saved != nil {
			return saved
		}
		fmt.Printf("\n%s\n", strings.Join(files, "\n"))
	}
	return err
}
