// Command run measures purges of each kind and prints a table. It exits with 1 when a purge was answered before
// every node had applied it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"tiercache/control/client"
	"tiercache/loadtests/purges"
	"tiercache/shared/token"
)

func main() {
	var cfg purges.Config
	flag.StringVar(&cfg.Control, "control", client.DefaultURL, "URL of the control API")
	flag.StringVar(&cfg.Host, "host", "127.0.0.1", "host of the URLs to purge")
	flag.StringVar(&cfg.Service, "service", "default", "name of a service to purge")
	flag.StringVar(&cfg.Tag, "tag", "", "tag to purge, again and again; empty: a new one each time")
	flag.IntVar(&cfg.Count, "count", 100, "purges of each kind")
	flag.DurationVar(&cfg.Pause, "pause", 20*time.Millisecond, "pause between two purges")
	dataDir := flag.String("data-dir", token.DataDir(), "data directory of the platform, for its admin.token")
	flag.Parse()
	secret, err := token.Find("", *dataDir)
	if err == nil {
		cfg.Token = secret
		err = run(cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "purges:", err)
		os.Exit(1)
	}
}

func run(cfg purges.Config) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	report, err := purges.Run(ctx, cfg)
	fmt.Print(report)
	if err != nil {
		return err
	}
	for _, k := range report.Kinds {
		if k.Incomplete > 0 {
			return fmt.Errorf("%d purges by %s were answered before every node had applied them", k.Incomplete, k.Name)
		}
	}
	return nil
}
