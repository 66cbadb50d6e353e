// Command run compares purges of a tag on one stored object with purges of a tag on very many, and prints a table. It
// exits with 1 when a purge was answered before every node had applied it, or when a purged object was a hit.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"tiercache/control/client"
	"tiercache/loadtests/million"
	"tiercache/shared/token"
)

func main() {
	var cfg million.Config
	flag.StringVar(&cfg.Control, "control", client.DefaultURL, "URL of the control API")
	edges := flag.String("edges", "http://127.0.0.1:8080", "URLs of the edges to fill, comma separated")
	flag.IntVar(&cfg.Objects, "objects", 1_000_000, "objects that carry the tag")
	flag.IntVar(&cfg.Purges, "purges", 20, "purges of each kind")
	flag.DurationVar(&cfg.Pause, "pause", 100*time.Millisecond, "pause between two purges")
	dataDir := flag.String("data-dir", token.DataDir(), "data directory of the platform, for its admin.token")
	flag.Parse()
	cfg.Edges = strings.Split(*edges, ",")
	secret, err := token.Find("", *dataDir)
	if err == nil {
		cfg.Token = secret
		err = run(cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(cfg million.Config) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	report, err := million.Run(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Print(report)
	return report.Check()
}
