// Command run crawls a tree through an edge and prints what it found. It exits with 1 when a response
// was not the file.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"tiercache/loadtests/crawl"
)

func main() {
	var cfg crawl.Config
	flag.StringVar(&cfg.Base, "base", "http://127.0.0.1:8080", "URL of the edge")
	flag.StringVar(&cfg.Host, "host", "", "Host to ask for")
	flag.StringVar(&cfg.Dir, "dir", "", "the tree that was imported")
	flag.StringVar(&cfg.Prefix, "prefix", "/", "the prefix that it was imported below")
	flag.IntVar(&cfg.Connections, "connections", 32, "requests in flight")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	report, err := crawl.Run(ctx, cfg)
	fmt.Print(report)
	if err != nil {
		fmt.Fprintln(os.Stderr, "crawl:", err)
		os.Exit(1)
	}
	if report.Wrong > 0 {
		os.Exit(1)
	}
}
