package l1

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// budgetVariable makes the test binary the process that is measured.
const budgetVariable = "L1_TEST_BUDGET_MIB"

// TestMemory_StaysNearTheBudget starts a process for each budget, which stores
// twice the budget in values of mixed sizes, and compares its resident memory
// while idle and when full. The process has a memory limit, as an edge must: without
// one the collector lets the heap grow to twice what is live, and rings are live.
func TestMemory_StaysNearTheBudget(t *testing.T) {
	if budget := os.Getenv(budgetVariable); budget != "" {
		fillAndReport(t, budget)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("reads resident memory from /proc")
	}
	if raceDetector {
		t.Skip("the race detector multiplies memory")
	}
	for _, budget := range []int64{16, 64, 256} {
		if testing.Short() && budget > 64 {
			continue
		}
		idle, full, peak := measure(t, budget)
		t.Logf("budget %d MiB: idle %d MiB, full %d MiB, peak %d MiB", budget, idle, full, peak)
		if idle > 32 {
			t.Errorf("budget %d MiB: %d MiB resident before anything is stored", budget, idle)
		}
		if limit := memoryLimit(budget) + 16; full > limit || peak > limit {
			t.Errorf("budget %d MiB: full %d MiB, peak %d MiB, want at most %d", budget, full, peak, limit)
		}
		if full < budget*6/10 {
			t.Errorf("budget %d MiB: %d MiB when full: the budget is not used, or not measured", budget, full)
		}
	}
}

// memoryLimit is the limit of a process with an L1 of that budget, both in MiB: a
// quarter more for what is copied out of it, and the rest of the process.
func memoryLimit(budget int64) int64 { return budget*5/4 + 24 }

// measure runs the test binary as a process of its own with the given budget.
func measure(t *testing.T, budget int64) (idle, full, peak int64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMemory_StaysNearTheBudget$", "-test.v")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", budgetVariable, budget), fmt.Sprintf("GOMEMLIMIT=%dMiB", memoryLimit(budget)))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if n, _ := fmt.Sscanf(line, "RESIDENT %d %d %d", &idle, &full, &peak); n == 3 {
			return idle, full, peak
		}
	}
	t.Fatalf("no measurement in\n%s", out)
	return 0, 0, 0
}

// fillAndReport is the measured process.
func fillAndReport(t *testing.T, budget string) {
	n, err := strconv.ParseInt(budget, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	c := newCache(t, n*mib)
	runtime.GC()
	idle := resident(t, "VmRSS:")
	random := rand.New(rand.NewPCG(3, 4))
	for stored, i := int64(0), 0; stored < 2*n*mib; i++ {
		value := randomValue(random)
		if err := c.Store(ctx, fmt.Sprintf("key-%012d", i), value, 0); err != nil {
			t.Fatal(err)
		}
		stored += int64(len(value))
	}
	fmt.Printf("RESIDENT %d %d %d\n", idle, resident(t, "VmRSS:"), resident(t, "VmHWM:"))
	runtime.KeepAlive(c)
}

// resident returns a field of this process's status, in MiB.
func resident(t *testing.T, field string) int64 {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var kib int64
		if rest, ok := strings.CutPrefix(lines.Text(), field); ok {
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				t.Fatal(err)
			}
			return kib >> 10
		}
	}
	t.Fatalf("no %s in the process's status", field)
	return 0
}
