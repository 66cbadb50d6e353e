package simulation

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

var (
	oneSeed = flag.Uint64("seed", 0, "run this seed alone and print its history")
	seeds   = flag.Int("seeds", 0, "how many seeds to run, from 1 on; 0: 200, 100 with -race, 40 with -short")
)

// childEnv makes this test binary run the seeds of a job, which is JSON, and print a report for each that is bad.
const childEnv = "TIERCACHE_SIMULATION"

// job is what a child runs. One processor runs one world at a time, so that goroutines take turns as they did before.
type job struct {
	First, Step, Seeds uint64
	Flaw               string // of a double
	UntilFound         bool   // the first bad seed ends it
	History            bool
}

// report is a line that a child prints.
type report struct {
	Seed          uint64
	Violations    []string `json:",omitempty"`
	History       string   `json:",omitempty"`
	Done          uint64   // seeds so far
	Reads, Writes int      // so far
}

// TestMain runs the job of a child, or the tests.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(childEnv) != "" {
		if err := flag.Set("test.run", "^TestChild$"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestChild is a child's work.
func TestChild(t *testing.T) {
	text := os.Getenv(childEnv)
	if text == "" {
		t.Skip("it is the work of the other tests' children")
	}
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		t.Fatal(err)
	}
	out := json.NewEncoder(os.Stderr)
	total := report{}
	for seed := j.First; total.Done < j.Seeds; seed += j.Step {
		var r *Result
		synctest.Test(t, func(*testing.T) { r = run(seed, flawOf(j.Flaw)) })
		total.Done, total.Reads, total.Writes = total.Done+1, total.Reads+r.Reads, total.Writes+r.Writes
		line := total
		line.Seed, line.Violations = seed, r.Violations
		if j.History {
			line.History = r.History()
		}
		if len(r.Violations) > 0 || j.History || total.Done%50 == 0 || total.Done == j.Seeds {
			_ = out.Encode(line) // the parent notices when it is gone
		}
		if len(r.Violations) > 0 && j.UntilFound {
			return
		}
	}
}

// flawOf switches a mechanism of a double off.
func flawOf(name string) flaws {
	switch name {
	case "a SEQUENCE for epochs":
		return flaws{numbersByInsert: true}
	case "object and epoch in two statements":
		return flaws{twoStatements: true}
	case "numbers reused after a restore":
		return flaws{reuse: true}
	}
	return flaws{}
}

// child runs a job in a process of the binary and calls heard for each report. The error has what else was printed.
func child(binary string, j job, env []string, heard func(report)) error {
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	command := exec.Command(binary, "-test.timeout=0")
	command.Env = append(os.Environ(), append(env, childEnv+"="+string(text), "GOMAXPROCS=1", "GOGC=400", "GODEBUG=adaptivestackstart=1")...)
	lines, err := command.StderrPipe()
	if err != nil {
		return err
	}
	command.Stdout = command.Stderr
	if err := command.Start(); err != nil {
		return err
	}
	var rest bytes.Buffer // what is no report
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, 64<<20)
	for scanner.Scan() {
		var r report
		if json.Unmarshal(scanner.Bytes(), &r) == nil && r.Done > 0 {
			heard(r)
			continue
		}
		rest.Write(scanner.Bytes())
		rest.WriteByte('\n')
	}
	if err := command.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, rest.Bytes())
	}
	return scanner.Err()
}

// TestSeeds runs seeds, half of them on each of two processors, and so on. Whatever breaks a promise is a failure, and
// its history is printed.
func TestSeeds(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if *oneSeed != 0 {
		replay(t, binary, *oneSeed)
		return
	}
	n := uint64(200)
	switch {
	case *seeds > 0:
		n = uint64(*seeds)
	case testing.Short():
		n = 40
	case raced:
		n = 100 // each takes ten times as long
	}
	found := runSeeds(t, binary, n)
	for i, r := range found {
		t.Errorf("seed %d: %d violations; the first: %s", r.Seed, len(r.Violations), r.Violations[0])
		if i == 0 {
			replay(t, binary, r.Seed)
		}
	}
}

// runSeeds runs the seeds from 1 to n and returns the bad ones.
func runSeeds(t *testing.T, binary string, n uint64) (found []report) {
	t.Helper()
	var mu sync.Mutex
	last := map[uint64]report{}
	var children sync.WaitGroup
	step := min(uint64(runtime.NumCPU()), n)
	for first := uint64(1); first <= step; first++ {
		j := job{First: first, Step: step, Seeds: (n - first + step) / step}
		children.Go(func() {
			err := child(binary, j, nil, func(r report) {
				mu.Lock()
				defer mu.Unlock()
				last[first] = r
				if len(r.Violations) > 0 {
					found = append(found, r)
				}
				progress(t, last, n, len(found))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	children.Wait()
	sum := sumOf(last)
	t.Logf("%d seeds, %d of them bad: %d reads and %d writes", sum.Done, len(found), sum.Reads, sum.Writes)
	if sum.Done != n {
		t.Errorf("%d of %d seeds were run", sum.Done, n)
	}
	return found
}

func sumOf(last map[uint64]report) (sum report) {
	for _, r := range last {
		sum.Done, sum.Reads, sum.Writes = sum.Done+r.Done, sum.Reads+r.Reads, sum.Writes+r.Writes
	}
	return sum
}

// progress says how far it is, each thousand seeds.
func progress(t *testing.T, last map[uint64]report, of uint64, bad int) {
	if sum := sumOf(last); sum.Done%1000 == 0 {
		t.Logf("%d of %d seeds, %d bad", sum.Done, of, bad)
	}
}

// replay prints the history of a seed.
func replay(t *testing.T, binary string, seed uint64) {
	t.Helper()
	err := child(binary, job{First: seed, Step: 1, Seeds: 1, History: true}, nil, func(r report) {
		t.Logf("the history of seed %d (go test ./loadtests/simulation -v -run TestSeeds -seed %d):\n%s", seed, seed, r.History)
		for _, v := range r.Violations {
			t.Error(v)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestSeeds_Replay runs seeds twice: a history that cannot be had again explains nothing.
func TestSeeds_Replay(t *testing.T) {
	if raced {
		t.Skip("the race detector makes the scheduler draw lots")
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const n = 10
	var runs [2]map[uint64]string
	for i := range runs {
		runs[i] = map[uint64]string{}
		if err := child(binary, job{First: 1, Step: 1, Seeds: n, History: true}, nil, func(r report) { runs[i][r.Seed] = r.History }); err != nil {
			t.Fatal(err)
		}
	}
	same := 0
	for seed, history := range runs[0] {
		if history == runs[1][seed] && strings.Count(history, "\n") > 100 {
			same++
		}
	}
	// The scheduler of a busy machine may let goroutines take turns in another order now and then.
	if same < n/2 {
		t.Errorf("%d of %d seeds had the same history twice", same, n)
	}
}
