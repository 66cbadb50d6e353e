// Command run replays the traces of a folder through L1 and other policies, prints tables and writes them, with a plot, into
// a folder. It exits with 1 when something could not be measured; a goal that is missed is in the tables.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"tiercache/loadtests/hitratio"
)

func main() {
	cfg := hitratio.Config{Progress: os.Stderr}
	flag.StringVar(&cfg.Traces, "traces", "", "folder of the traces: *.gz, a line is KEY or KEY SIZE")
	flag.Int64Var(&cfg.Budget, "budget", 64<<20, "bytes that the smallest budget of each trace is brought to, by copies of the trace")
	results := flag.String("results", "results", "folder for tables and plot")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := measure(ctx, cfg, *results); err != nil {
		fmt.Fprintln(os.Stderr, "hitratio:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, cfg hitratio.Config, results string) error {
	if cfg.Traces == "" {
		return fmt.Errorf("--traces: name a folder (make bench-hitratio TRACES=DIR)")
	}
	report, err := hitratio.Run(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s", report)
	files, err := report.Save(results, time.Now())
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n", strings.Join(files, "\n"))
	return nil
}
