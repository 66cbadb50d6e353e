// Command run measures how fast what is committed reaches the nodes, on a platform that it starts, and prints tables. It
// exits with 1 when something could not be measured. Targets are printed beside the figures, and judged by nobody: what a
// machine does depends on the machine, and on what else it does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"tiercache/loadtests/platform"
	"tiercache/loadtests/sequencing"
)

func main() {
	cfg := sequencing.Config{Progress: os.Stderr}
	flag.StringVar(&cfg.Program, "program", "bin/tiercache", "the tiercache to run")
	flag.StringVar(&cfg.DataDir, "data-dir", filepath.Join(os.TempDir(), "tiercache-sequencing"), "data directory of the platform")
	flag.IntVar(&cfg.PortOffset, "port-offset", 4000, "added to each port of the platform")
	flag.IntVar(&cfg.Rate, "rate", 100, "writes a second, of each kind, whose way is timed")
	flag.IntVar(&cfg.Entries, "entries", 20_000, "entries a second, 100 a transaction")
	flag.DurationVar(&cfg.Lasting, "for", 30*time.Second, "how long those; the other measurements take a third of it")
	follow := flag.String("follow", "", "be a follower of that name: what this program starts four times")
	flag.Parse()
	cfg.Pgbench, _ = exec.LookPath("pgbench") // its part is left out without it
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	err := do(ctx, cfg, *follow)
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "sequencing:", err)
		os.Exit(1)
	}
}

func do(ctx context.Context, cfg sequencing.Config, follow string) error {
	if follow != "" {
		node, err := platform.SettingsOf(cfg.DataDir, "edge-1")
		if err != nil {
			return err
		}
		return sequencing.Follow(ctx, follow, node, os.Stdout)
	}
	report, err := sequencing.Run(ctx, cfg)
	fmt.Printf("\n%d CPUs, load over the last minute before and after each measurement\n\n%s", runtime.NumCPU(), report)
	return err
}
