// Command run loses the database of a platform under load, restores it, and prints what was lost, how long it took and
// whether a promise was broken. It exits with 1 when one was.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"tiercache/loadtests/drill"
)

func main() {
	cfg := drill.Config{Say: func(format string, args ...any) { fmt.Fprintf(os.Stderr, "drill: "+format+"\n", args...) }}
	flag.StringVar(&cfg.Program, "program", "bin/tiercache", "the program that is tried")
	flag.IntVar(&cfg.PortOffset, "port-offset", 4000, "added to every port")
	flag.IntVar(&cfg.Objects, "objects", 8, "objects, each with a writer of its own")
	flag.IntVar(&cfg.Readers, "readers", 4, "readers at each of the two edges")
	flag.DurationVar(&cfg.Load, "load", 10*time.Second, "load before the base backup, after it, and in the end")
	flag.DurationVar(&cfg.Back, "back", 10*time.Second, "the target is that long before the disaster, at least")
	flag.DurationVar(&cfg.Lag, "lag", 5*time.Second, "how old what is not archived may be (up --backup-lag)")
	flag.BoolVar(&cfg.Latest, "latest", false, "restore to the end of the archive")
	without := flag.Bool("without-terms", false, "build the program without what makes a lost branch dead: the drill must notice")
	flag.Parse()
	if err := run(cfg, *without); err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

func run(cfg drill.Config, without bool) (err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if cfg.Program, err = filepath.Abs(cfg.Program); err != nil {
		return err
	}
	if cfg.Dir, err = os.MkdirTemp("", "tiercache-drill-"); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(cfg.Dir)
			return
		}
		err = fmt.Errorf("%w (all of it is in %s)", err, cfg.Dir)
	}()
	if err := os.Chmod(cfg.Dir, 0o711); err != nil { // PostgreSQL passes through
		return err
	}
	if without {
		if cfg.Program, err = drill.BuildWithoutTerms(ctx, cfg.Dir); err != nil {
			return err
		}
	}
	report, err := drill.Run(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Print(report)
	if report.Broken > 0 {
		return fmt.Errorf("%d promises were broken", report.Broken)
	}
	return nil
}
