package cost

import (
	"strings"
	"testing"
	"time"

	"tiercache/loadtests/processes"
)

// platformProcesses is a platform with the id 10, beside which another one runs.
func platformProcesses() map[int]processes.Process {
	of := func(parent int, command string, cpu, waited time.Duration, private, shared int64) processes.Process {
		return processes.Process{Parent: parent, Command: command, CPU: cpu, Waited: waited, Private: private, Shared: shared}
	}
	return map[int]processes.Process{
		10: of(1, "bin/tiercache up --edges 1 --data-dir /edge regional", time.Hour, 0, 1, 1),
		11: of(10, "/x/tiercache edge --config e", time.Second, 0, 100, 40),
		12: of(10, "/x/tiercache regional --config r", 2*time.Second, 0, 1, 1),
		13: of(10, "/x/tiercache origin --config postgres", 3*time.Second, 0, 1, 1),
		14: of(10, "/x/tiercache control --config c", 4*time.Second, 0, 1, 1),
		15: of(10, "/x/tiercache nats --listen x", 5*time.Second, 0, 1, 1),
		16: of(10, "/usr/bin/redis-server 127.0.0.1:7379", 6*time.Second, 0, 1, 1),
		17: of(10, "/usr/lib/postgresql/15/bin/postgres -D d", time.Second, 10*time.Second, 5, 50),
		18: of(17, "postgres: tiercache tiercache 127.0.0.1(1) idle", 20*time.Second, 0, 7, 60),
		30: of(1, "/x/tiercache edge --config other", time.Hour, 0, 1, 1),
	}
}

func TestReadUsage_ByRole(t *testing.T) {
	u, err := readUsage(platformProcesses(), 10)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "edge", u.cpu[Edge], 1)
	near(t, "its memory", u.memory[Edge], 140)
	near(t, "PostgreSQL, with a backend that has ended", u.cpu[PostgreSQL], 31)
	near(t, "its memory, with shared buffers once", u.memory[PostgreSQL], 72)
	near(t, "all", u.cpu.Sum(), 1+2+3+4+5+6+31)

	all := platformProcesses()
	delete(all, 16)
	if _, err := readUsage(all, 10); err == nil || !strings.Contains(err.Error(), "redis") {
		t.Errorf("without Redis: %v", err)
	}
}

func TestSince_WantsTheSameProcesses(t *testing.T) {
	before, err := readUsage(platformProcesses(), 10)
	if err != nil {
		t.Fatal(err)
	}
	all := platformProcesses()
	edge := all[11]
	edge.CPU += 3 * time.Second
	all[11] = edge
	after, err := readUsage(all, 10)
	if err != nil {
		t.Fatal(err)
	}
	used, err := after.since(before)
	if err != nil || used[Edge] != 3 || used.Sum() != 3 {
		t.Errorf("%v, %v", used, err)
	}
	delete(all, 11)
	all[40] = edge
	if after, err = readUsage(all, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := after.since(before); err == nil || !strings.Contains(err.Error(), "edge was started again") {
		t.Errorf("another edge: %v", err)
	}
}

func TestParseMetrics(t *testing.T) {
	m, err := parseMetrics("# HELP x y\nx_total{a=\"1\",b=\"two words\"} 3\nx_total{a=\"11\",b=\"2\"} 4e+06\n\nx_total_more 5\ny 1.5\n")
	if err != nil {
		t.Fatal(err)
	}
	near(t, "all", m.sum("x_total"), 4_000_003)
	near(t, "by label", m.sum("x_total", `a="1"`), 3)
	near(t, "by two", m.sum("x_total", `b="2"`, `a="11"`), 4e6)
	near(t, "by two that no line has", m.sum("x_total", `b="2"`, `a="1"`), 0)
	near(t, "without labels", m.sum("y"), 1.5)
	for text, want := range map[string]string{"x 1\ny\n": `line 2: "y" has no value`, "x one\n": "line 1: the value of x: invalid syntax"} {
		if _, err := parseMetrics(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
