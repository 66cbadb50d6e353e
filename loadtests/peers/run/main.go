// Command run measures an edge and its peers, prints tables and writes them, with a plot, into a folder. It exits with 1 when
// something could not be measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"tiercache/loadtests/peers"
)

func main() {
	cfg := peers.Config{Progress: os.Stderr}
	flag.StringVar(&cfg.Program, "program", "bin/tiercache", "the tiercache to run")
	flag.IntVar(&cfg.Rounds, "rounds", 5, "rounds through all servers, of each case")
	flag.DurationVar(&cfg.Lasting, "for", 3*time.Second, "how long each server is loaded in a round")
	flag.IntVar(&cfg.Connections, "connections", 64, "connections that are kept alive")
	flag.Float64Var(&cfg.Share, "share", 0.7, "part of nginx's requests a second at which latency is measured")
	flag.IntVar(&cfg.Stored, "stored", 100_000, "objects of 1 KiB that memory is measured with; 0: it is not")
	flag.IntVar(&cfg.PortOffset, "port-offset", 0, "added to each port")
	flag.IntVar(&cfg.ServerCPU, "server-cpu", 0, "the processor of the servers")
	flag.IntVar(&cfg.LoadCPU, "load-cpu", 1, "the processor of everything else")
	only := flag.String("only", "", "servers to measure, with commas; empty: all")
	cases := flag.String("cases", "", "cases to measure, with semicolons, as \"1 KiB;100 KiB\"; empty: all")
	results := flag.String("results", "results", "folder for tables and plot")
	page := flag.String("page", "", "page in whose place for figures they are put, with a plot beside it; empty: none")
	bare := flag.String("bare", "", "be the bare server, at that host:port: what this program starts itself")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	var err error
	if *bare != "" {
		err = peers.Bare(*bare)
	} else {
		cfg.Only, cfg.Cases = split(*only, ","), split(*cases, ";")
		err = measure(ctx, cfg, *results, *page)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func split(list, by string) (names []string) {
	for _, name := range strings.Split(list, by) {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func measure(ctx context.Context, cfg peers.Config, results, page string) error {
	program, err := filepath.Abs(cfg.Program)
	if err != nil {
		return err
	}
	cfg.Program = program
	report, err := peers.Run(ctx, cfg)
	if len(report.Cases) == 0 || len(report.Cases[0].Servers) == 0 {
		return err
	}
	fmt.Printf("\n%s", report)
	names, saved := report.Save(results)
	if saved != nil {
		return saved
	}
	fmt.Printf("\n%s\n", strings.Join(names, "\n"))
	if err != nil || page == "" {
		return err
	}
	return report.Page(page)
}
