// Command run runs the fleet under faults and judges what clients were given. It exits with 1 when a promise was broken, and
// then keeps the history, the logs and the seed; with 77 when this machine cannot run it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tiercache/loadtests/faults"
)

// cannot is the exit status where a run is not possible, as test runners of others have it for a skipped test.
const cannot = 77

// errBroken is that of a run that has shown a broken promise. All of it is printed already.
var errBroken = errors.New("promises were broken")

// errInterrupted is that of a run that was ended before its time.
var errInterrupted = errors.New("interrupted: nothing is judged")

func main() {
	cfg := faults.Config{Progress: os.Stderr}
	flag.DurationVar(&cfg.For, "for", 5*time.Minute, "how long")
	flag.Uint64Var(&cfg.Seed, "seed", 1, "decides which faults come, and when; 0: another one each time")
	only := flag.String("only", "", "kinds of faults, with commas between them; empty: all")
	flag.StringVar(&cfg.Switch, "switch", "", "switch a mechanism off, by its name in loadtests/switches: that must be noticed")
	flag.StringVar(&cfg.Program, "program", "", "the fleet's binary, as this program has built it before; empty: build it")
	flag.StringVar(&cfg.Evidence, "evidence", "", "folder for history and logs; empty: one below results/faults, which is kept if a promise was broken")
	judge := flag.Bool("judge", false, "judge the history in --evidence once more; run nothing")
	flag.Parse()
	if *only != "" {
		cfg.Only = strings.Split(*only, ",")
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	err := do(ctx, &cfg, *judge)
	if ctx.Err() != nil && !errors.Is(err, errBroken) {
		err = errInterrupted
	}
	os.Exit(status(err))
}

// status is the exit status that says what came of it.
func status(err error) int {
	var child *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		if !faults.Inside() {
			fmt.Fprintln(os.Stderr, "faults:", err)
		}
		return 130 // as shells have it
	case errors.As(err, &child) && child.ExitCode() > 0:
		return child.ExitCode() // which has said why
	case errors.Is(err, errBroken):
		return 1
	}
	fmt.Fprintln(os.Stderr, "faults:", err)
	if errors.Is(err, faults.ErrCannot) {
		return cannot
	}
	return 2
}

func do(ctx context.Context, cfg *faults.Config, judge bool) error {
	switch {
	case judge:
		report, err := faults.Judge(cfg)
		return finish(report, err)
	case faults.Inside():
		report, err := faults.Run(ctx, *cfg)
		return finish(report, err)
	}
	return outside(ctx, cfg)
}

// outside prepares a run and runs it in the sandbox.
func outside(ctx context.Context, cfg *faults.Config) (err error) {
	if err := errors.Join(cfg.Validate(), faults.Check()); err != nil {
		return err
	}
	for cfg.Seed == 0 {
		cfg.Seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	keep := cfg.Evidence != ""
	if !keep {
		cfg.Evidence = filepath.Join("results", "faults", fmt.Sprintf("%s-seed-%d", time.Now().Format("20060102-150405"), cfg.Seed))
	}
	if cfg.Evidence, err = filepath.Abs(cfg.Evidence); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.Evidence, 0o755); err != nil {
		return err
	}
	if cfg.Program == "" {
		if err := sweep(); err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", built, os.Getpid()))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		root, err := repository(ctx)
		if err != nil {
			return err
		}
		if cfg.Program, err = faults.Build(ctx, root, dir, cfg.Switch); err != nil {
			return err
		}
	}
	err = faults.Enter(ctx, []string{
		"-for", cfg.For.String(), "-seed", strconv.FormatUint(cfg.Seed, 10), "-only", strings.Join(cfg.Only, ","), "-switch", cfg.Switch,
		"-program", cfg.Program, "-evidence", cfg.Evidence,
	})
	if err == nil {
		if !keep {
			return os.RemoveAll(cfg.Evidence)
		}
		return nil
	}
	fmt.Fprintf(os.Stderr, "faults: history, logs and what was found are in %s\n", cfg.Evidence)
	return err
}

// built begins the names of folders with a binary; the process that made it follows.
const built = "tiercache-faults-"

// sweep removes the binaries of runs that were killed: of all that a run makes, the kernel leaves only them and the evidence.
func sweep() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), built+"*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), built), "-")
		if _, err := os.Stat("/proc/" + pid); pid == "" || !errors.Is(err, os.ErrNotExist) {
			continue // it runs, or is none of ours
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// repository is the root of the one that this program is called in.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find go.mod: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// finish prints and keeps what was found.
func finish(report *faults.Report, err error) error {
	if err != nil {
		return err
	}
	fmt.Print(report)
	if err := report.Keep(); err != nil {
		return err
	}
	if len(report.Violations) > 0 {
		return errBroken
	}
	return nil
}
