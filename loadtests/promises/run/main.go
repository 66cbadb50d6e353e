// Command run writes and reads all over a fleet and prints what it saw. It exits with 1 when a promise was broken.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"tiercache/loadtests/promises"
	"tiercache/shared/token"
)

func main() {
	var cfg promises.Config
	flag.StringVar(&cfg.Origin, "origin", "http://127.0.0.1:7080", "URL of the origin")
	edges := flag.String("edges", "http://127.0.0.1:8080,http://127.0.0.1:8081", "URLs of the edges")
	flag.StringVar(&cfg.Host, "host", "promises.example.test", "host of the objects")
	flag.IntVar(&cfg.Objects, "objects", 8, "objects, each with a writer of its own")
	flag.IntVar(&cfg.Readers, "readers", 4, "readers of each of the three kinds")
	flag.DurationVar(&cfg.Pause, "pause", 20*time.Millisecond, "pause of a writer between two writes")
	flag.DurationVar(&cfg.For, "for", time.Minute, "how long")
	dataDir := flag.String("data-dir", token.DataDir(), "data directory of the platform, for its admin.token")
	flag.Parse()
	cfg.Edges = strings.Split(*edges, ",")
	if err := run(cfg, *dataDir); err != nil {
		fmt.Fprintln(os.Stderr, "promises:", err)
		os.Exit(1)
	}
}

func run(cfg promises.Config, dataDir string) (err error) {
	if cfg.Token, err = token.Find("", dataDir); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	report, err := promises.Run(ctx, cfg)
	fmt.Print(report)
	if err == nil && len(report.Violations) > 0 {
		err = fmt.Errorf("%d promises were broken", len(report.Violations))
	}
	return err
}
