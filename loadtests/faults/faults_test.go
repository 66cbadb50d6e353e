package faults

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tiercache/loadtests/switches"
)

var (
	lasting = flag.Duration("for", time.Minute, "how long the fleet runs under faults")
	seed    = flag.Uint64("seed", 1, "decides which faults come, and when")
	only    = flag.String("only", "", "kinds of faults, with commas between them; empty: all")
)

// wholeTime is enough for each kind of fault.
const wholeTime = 5 * time.Minute

// TestFaults runs the fleet under faults and wants no broken promise. Each kind of fault that came is a test of its own.
func TestFaults(t *testing.T) {
	if os.Getenv("TIERCACHE_FAULTS_TESTS") == "" {
		t.Skip("it takes minutes, and must be root: make test-faults")
	}
	report := runOnce(t, "", *lasting, *seed, *only)
	for _, f := range report.Faults {
		t.Run(f.Name, func(t *testing.T) {
			t.Logf("%d times; no answers: %v from the worst edge, %v from all; no writes %v, no purges %v; well again in %v", f.Times, f.Edge, f.Edges, f.Write, f.Purge, f.Well)
		})
	}
	for _, v := range report.Violations {
		t.Error(v)
	}
	if len(report.Faults) == 0 || report.Reads == 0 {
		t.Error("nothing happened")
	}
	if *lasting >= wholeTime && *only == "" {
		for _, k := range kinds() {
			if !slices.ContainsFunc(report.Faults, func(f FaultReport) bool { return f.Name == k.name }) {
				t.Errorf("%v were not enough for %s", *lasting, k.name)
			}
		}
	}
}

// TestFaults_Switches switches mechanisms off, of those that clients can notice in a short time, and wants that noticed.
func TestFaults_Switches(t *testing.T) {
	if os.Getenv("TIERCACHE_FAULTS_SWITCHES") == "" {
		t.Skip("it takes a quarter of an hour, and must be root: make test-faults-switches")
	}
	for name, kinds := range noticed() {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			report := runOnce(t, name, 30*time.Second, *seed, kinds)
			broken := slices.DeleteFunc(report.Violations, func(v string) bool { return strings.HasPrefix(v, "recovery:") }) // a busy machine does that
			if len(broken) == 0 {
				t.Fatalf("nobody has noticed that this is switched off: %s", name)
			}
			t.Log(broken[0])
		})
	}
}

// noticed are mechanisms by the faults under which clients of real processes notice, soon, that they are off.
func noticed() map[string]string {
	const stores, links = "redis-flush,delay,kill-edge,redis-old-dump,redis-failover", "cut-control,stop-edge,clock-node,cut-off,stop-control"
	return map[string]string{
		"stamp of the start of a fill, not of its end":         stores,
		"a successor flight for who must not miss a purge":     "redis-flush,delay",
		"no store of what a purge has overtaken":               stores,
		"a tier's answer is checked by the node's own index":   stores,
		"scopes do not depend on the policy":                   stores,
		"applied is read before the check":                     stores,
		"what is stale keeps its own stamp":                    stores,
		"a request waits for the epoch that it asks for":       links,
		"a purge is complete when all members have applied it": links,
	}
}

// runOnce builds what a run needs, runs it and returns its report. What it leaves is kept when it has found something.
func runOnce(t *testing.T, off string, lasts time.Duration, seed uint64, only string) *Report {
	t.Helper()
	if err := Check(); err != nil {
		t.Fatal(err) // it was asked for
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, err := Build(t.Context(), root, dir, off)
	if err != nil {
		t.Fatal(err)
	}
	runner := filepath.Join(dir, "faults")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", runner, "./run").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	evidence := filepath.Join(root, "results", "faults", fmt.Sprintf("test-seed-%d-%d", seed, os.Getpid()))
	ctx, cancel := context.WithTimeout(t.Context(), lasts+8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, runner, "-for", lasts.String(), "-seed", fmt.Sprint(seed), "-only", only, "-switch", off, "-program", program, "-evidence", evidence)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("%v: see %s", err, evidence)
	}
	report := new(Report)
	content, err := os.ReadFile(filepath.Join(evidence, reportFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, report); err != nil {
		t.Fatal(err)
	}
	if len(report.Violations) == 0 || off != "" {
		if err := os.RemoveAll(evidence); err != nil {
			t.Error(err)
		}
	}
	return report
}

func TestNoticed_AreMechanismsAndFaults(t *testing.T) {
	known := map[string]bool{}
	for _, m := range switches.Mechanisms() {
		known[m.Name] = true
	}
	for name, list := range noticed() {
		if !known[name] {
			t.Errorf("there is no mechanism %q", name)
		}
		for kind := range strings.SplitSeq(list, ",") {
			if _, ok := faultNamed(kind); !ok && list != "" {
				t.Errorf("%s: there is no fault %q", name, kind)
			}
		}
	}
}
