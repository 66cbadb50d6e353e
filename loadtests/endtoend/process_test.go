package endtoend

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tiercache/shared/platform"
	"tiercache/shared/testkit"
)

const (
	readyTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// process is a command that runs until it is told to stop. It dies with the test binary.
type process struct {
	*platform.Process
	printed *printed
	began   time.Time
}

// printed is all that a process wrote on its standard output and error.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// launch starts path, and kills it when the test ends if it still runs then.
func launch(t *testing.T, environ []string, path string, args ...string) *process {
	t.Helper()
	p := &process{printed: &printed{}, began: time.Now()}
	started, err := platform.StartProcess(platform.Program{Name: filepath.Base(path), Path: path, Args: args, Env: environ}, p.printed)
	if err != nil {
		t.Fatal(err)
	}
	p.Process = started
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s %s printed:\n%s", filepath.Base(path), strings.Join(args, " "), lastLines(p.printed.String(), 60))
		}
	})
	return p
}

// awaitLine waits until the process has printed text, and fails the test when it ends before.
func (p *process) awaitLine(t *testing.T, text string) {
	t.Helper()
	testkit.Eventually(t, readyTimeout, func() error {
		if strings.Contains(p.printed.String(), text) {
			return nil
		}
		select {
		case <-p.Done():
			t.Fatalf("it ended (%v) without %q:\n%s", p.Err(), text, p.printed)
		default:
		}
		return fmt.Errorf("no %q yet", text)
	})
}

// stop signals the process and waits for its end, which must be with status 0.
func (p *process) stop(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.Signal(sig); err != nil {
		t.Fatal(err)
	}
	p.awaitEnd(t)
	if p.Err() != nil {
		t.Fatalf("%v after %v:\n%s", p.Err(), sig, p.printed)
	}
}

func (p *process) awaitEnd(t *testing.T) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(stopTimeout):
		t.Fatalf("it still runs after %v", stopTimeout)
	}
}

// task is a process of the machine. Its start tells it from a later one with the same id.
type task struct {
	pid, parent int
	start       string
	running     bool // not a zombie
}

// readTask reads /proc/PID/stat: id, (name), state, parent, ..., and the start as the 22nd.
func readTask(pid int) (task, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return task{}, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return task{}, errors.New("short stat line")
	}
	parent, err := strconv.Atoi(fields[1])
	return task{pid: pid, parent: parent, start: fields[19], running: fields[0] != "Z" && fields[0] != "X"}, err
}

// lives reports whether the same process still runs.
func (k task) lives() bool {
	now, err := readTask(k.pid)
	return err == nil && now.start == k.start && now.running
}

// descendants are the processes below pid, at any depth.
func descendants(t *testing.T, pid int) []task {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]task{}
	for _, entry := range entries {
		id, err := strconv.Atoi(filepath.Base(entry))
		if err != nil {
			continue
		}
		if k, err := readTask(id); err == nil { // else it ended meanwhile
			children[k.parent] = append(children[k.parent], k)
		}
	}
	var found []task
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		for _, k := range children[next[0]] {
			found = append(found, k)
			next = append(next, k.pid)
		}
	}
	return found
}

// awaitGone waits until none of the tasks runs. Those that do all the same fail the test and are killed.
func awaitGone(t *testing.T, within time.Duration, tasks []task) {
	t.Helper()
	defer func() {
		for _, k := range tasks {
			if k.lives() {
				_ = syscall.Kill(k.pid, syscall.SIGKILL) // it may end by itself just now
			}
		}
	}()
	testkit.Eventually(t, within, func() error {
		for _, k := range tasks {
			if k.lives() {
				return fmt.Errorf("process %d (%s) still runs", k.pid, strings.Join(commandLine(k.pid), " "))
			}
		}
		return nil
	})
}

// commandLine is what the process was started with; nil when it has ended.
func commandLine(pid int) []string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
