// Command run puts a platform that it starts under load with k6, and writes a page of results. It exits with 1 when a goal was
// missed or something did not work, with 2 for a wrong setting.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"tiercache/loadtests/scenarios"
)

func main() {
	cfg := scenarios.Config{Progress: os.Stderr}
	flag.StringVar(&cfg.Program, "program", "bin/tiercache", "the tiercache to run")
	flag.StringVar(&cfg.K6, "k6", "bin/k6", "the k6 to run")
	flag.StringVar(&cfg.Scripts, "scripts", "loadtests/scenarios/js", "folder of the scenarios")
	flag.IntVar(&cfg.PortOffset, "port-offset", 6000, "added to each port of the platform")
	flag.IntVar(&cfg.Rate, "rate", 300, "reads a second of the steady mix")
	flag.IntVar(&cfg.Objects, "objects", 6000, "objects at the origin")
	flag.DurationVar(&cfg.Lasting, "for", time.Minute, "how long each scenario takes, but the soak")
	flag.DurationVar(&cfg.Soak, "soak", 10*time.Minute, "how long the soak takes")
	only := flag.String("only", strings.Join(scenarios.Names(), ","), "scenarios to run")
	flag.StringVar(&cfg.Out, "out", "", "folder for the page (default: one in results/ with the date in its name)")
	flag.Parse()
	cfg.Only = strings.Split(*only, ",")
	if err := cfg.Validate(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := do(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

var errMissed = errors.New("goals were missed: see the page")

// do has a folder for the platform's data.
func do(ctx context.Context, cfg scenarios.Config) (err error) {
	if cfg.Out == "" {
		cfg.Out = filepath.Join("results", "load-"+time.Now().Format("2006-01-02-150405"))
	}
	if cfg.DataDir, err = os.MkdirTemp("", "tiercache-load-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(cfg.DataDir) }()     // a temporary one
	if err := os.Chmod(cfg.DataDir, 0o755); err != nil { // PostgreSQL runs as somebody else
		return err
	}
	results, err := scenarios.Run(ctx, cfg)
	if len(results.Scenarios) > 0 {
		fmt.Println(filepath.Join(cfg.Out, "index.html"))
	}
	if err == nil && !results.Passed() {
		err = errMissed
	}
	return err
}
