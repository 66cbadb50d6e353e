package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tiercache/shared/testkit"
)

// process is the test binary playing `tiercache up` with played nodes, a real PostgreSQL and a real Redis.
type process struct {
	*exec.Cmd
	t     *testing.T
	out   lockedBuffer
	ended chan error
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// settings is a small platform in a folder of its own, on free ports.
func settings(t *testing.T) Config {
	t.Helper()
	dir, err := os.MkdirTemp("", "tiercache-local-")
	if err != nil {
		t.Fatal(err)
	}
	// Again where needed: the server of a killed process may still write as it goes.
	t.Cleanup(func() { testkit.Eventually(t, 30*time.Second, func() error { return os.RemoveAll(dir) }) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	cfg.DataDir, cfg.PortOffset = filepath.Join(dir, "data"), freeOffset(t)
	return cfg
}

// freeOffset shifts all ports to where none is taken, outside of the range for outgoing connections.
func freeOffset(t *testing.T) int {
	t.Helper()
	for range 100 {
		cfg := Default()
		cfg.PortOffset = testkit.FreePort(t) - natsPort
		plan := NewPlan(&cfg)
		free := !slices.ContainsFunc(plan.Ports(), func(use portUse) bool {
			listener, err := net.Listen("tcp", use.Addr)
			return err != nil || listener.Close() != nil
		})
		if free {
			return cfg.PortOffset
		}
	}
	t.Fatal("no free range of ports")
	return 0
}

func start(t *testing.T, cfg Config, environ ...string) *process {
	t.Helper()
	p := prepared(t, cfg, environ...)
	p.Stdout, p.Stderr = &p.out, &p.out
	p.begin()
	return p
}

// prepared is a process that has not begun and whose output goes nowhere yet.
func prepared(t *testing.T, cfg Config, environ ...string) *process {
	t.Helper()
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(os.Args[0]), t: t, ended: make(chan error, 1)}
	p.Env = append(append(os.Environ(), upVariable+"="+string(encoded)), environ...)
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.WaitDelay = 5 * time.Second
	return p
}

func (p *process) begin() {
	p.t.Helper()
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { p.ended <- p.Wait() }()
	p.t.Cleanup(func() {
		_ = p.Process.Kill() // ended already in most tests
		p.wait()
		if p.t.Failed() {
			p.t.Logf("it printed:\n%s", p.out.String())
		}
	})
}

// wait returns how it ended.
func (p *process) wait() error {
	err := <-p.ended
	p.ended <- err
	return err
}

func (p *process) awaitOutput(part string) {
	p.t.Helper()
	testkit.Eventually(p.t, 60*time.Second, func() error {
		if strings.Contains(p.out.String(), part) {
			return nil
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			p.t.Fatalf("it ended (%v) without %q", err, part)
		default:
		}
		return fmt.Errorf("no %q yet", part)
	})
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(p.Process.Pid, sig); err != nil {
		p.t.Fatal(err)
	}
}

// nobodyListens fails when one of the platform's ports is still served.
func nobodyListens(t *testing.T, cfg Config) {
	t.Helper()
	plan := NewPlan(&cfg)
	for _, use := range plan.Ports() {
		conn, err := net.DialTimeout("tcp", use.Addr, time.Second)
		if err == nil {
			conn.Close()
			t.Errorf("%s still listens on %s", use.Use, use.Addr)
		}
	}
}

// endedInOrder wants each played node to have been told to stop, edges first.
func endedInOrder(t *testing.T, cfg Config) {
	t.Helper()
	ended := strings.Fields(read(t, filepath.Join(cfg.DataDir, "ended")))
	if len(ended) != 6 || !slices.Contains(ended[:2], "edge-1") || !slices.Contains(ended[:2], "edge-2") ||
		!slices.Equal(ended[2:], []string{"regional-1", "origin-1", "control-1", "nats"}) {
		t.Fatalf("ended in the order %v", ended)
	}
}

func TestRun_TableStopOrderAndSecondStart(t *testing.T) {
	cfg := settings(t)
	first := start(t, cfg)
	first.awaitOutput("Ctrl-C stops everything")
	for _, want := range []string{"edge-1 ", "edge-2 ", "regional-1 ", "origin-1 ", "control-1 ", "redis-r1 ", "postgres ", "nats "} {
		if !strings.Contains(first.out.String(), "\n"+want) {
			t.Errorf("the table lacks %q", want)
		}
	}
	token := read(t, filepath.Join(cfg.DataDir, "admin.token"))
	if url := read(t, filepath.Join(cfg.DataDir, "postgres.url")); !strings.HasPrefix(url, "postgres://tiercache:") || strings.Count(url, "\n") != 1 {
		t.Errorf("the file with the database's URL has %d bytes that are none", len(url))
	}
	first.signal(syscall.SIGINT)
	if err := first.wait(); err != nil {
		t.Fatalf("Ctrl-C: %v", err)
	}
	nobodyListens(t, cfg)
	endedInOrder(t, cfg)
	printed := first.out.String()
	if strings.Contains(printed, strings.TrimSpace(token)) || strings.Contains(printed, "password") {
		t.Fatal("a secret is on the terminal")
	}

	second := start(t, cfg)
	second.awaitOutput("tiercache is ready after")
	took := regexp.MustCompile(`ready after ([0-9.]+) s`).FindStringSubmatch(second.out.String())
	if seconds, err := strconv.ParseFloat(took[1], 64); err != nil || seconds >= 20 { // about one where nothing else runs
		t.Fatalf("the second start took %s s, want less than 20", took[1])
	}
	if strings.Contains(second.out.String(), "making the database") {
		t.Fatal("the second start made the database anew")
	}
	if again := read(t, filepath.Join(cfg.DataDir, "admin.token")); again != token {
		t.Fatal("the admin token changed")
	}
}

func TestRun_KilledLeavesNothingThatBlocksTheNextStart(t *testing.T) {
	cfg := settings(t)
	first := start(t, cfg)
	first.awaitOutput("Ctrl-C stops everything")
	first.signal(syscall.SIGKILL)
	first.wait()
	second := start(t, cfg)
	second.awaitOutput("Ctrl-C stops everything")
	second.signal(syscall.SIGTERM)
	if err := second.wait(); err != nil {
		t.Fatal(err)
	}
	nobodyListens(t, cfg)
}

func TestRun_BusyPortIsNamed(t *testing.T) {
	cfg := settings(t)
	plan := NewPlan(&cfg)
	addr := plan.Of(tierEdge)[1].Listen
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := start(t, cfg)
	if p.wait() == nil {
		t.Fatal("it started")
	}
	want := fmt.Sprintf("%s, for edge-2, is held by local.test (pid %d)", addr, os.Getpid())
	if !strings.Contains(p.out.String(), want) {
		t.Fatalf("want: %s", want)
	}
	if advice := fmt.Sprintf("--port-offset %d", cfg.PortOffset+shift); !strings.Contains(p.out.String(), advice) {
		t.Fatalf("want: %s", advice)
	}
}

func TestRun_TwoOnOneFolder(t *testing.T) {
	cfg := settings(t)
	first := start(t, cfg)
	first.awaitOutput("tiercache: starting")
	cfg.PortOffset = freeOffset(t)
	second := start(t, cfg)
	if second.wait() == nil {
		t.Fatal("it started")
	}
	if want := fmt.Sprintf("is used by process %d", first.Process.Pid); !strings.Contains(second.out.String(), want) {
		t.Fatalf("want: %s", want)
	}
}

func TestRun_DataFolderThatCannotBeMade(t *testing.T) {
	cfg := settings(t)
	blocker := filepath.Join(filepath.Dir(cfg.DataDir), "file")
	if err := os.WriteFile(blocker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.DataDir = filepath.Join(blocker, "data")
	p := start(t, cfg)
	if p.wait() == nil || !strings.Contains(p.out.String(), "choose another with --data-dir") {
		t.Fatal("no word on what to do")
	}
}

// The first node that cannot start is the reason that is shown, not what waited for it.
func TestRun_NodeThatEndsAtEachStart(t *testing.T) {
	cfg := settings(t)
	p := start(t, cfg, failVariable+"=regional-1")
	if p.wait() == nil {
		t.Fatal("it started")
	}
	printed := p.out.String()
	if !strings.Contains(printed, "regional-1 ended (exit status 1): told to fail, the same at each of 5 starts") ||
		strings.Contains(printed, "not ready within") {
		t.Fatal("not the reason")
	}
	nobodyListens(t, cfg)
}

// What can never work is not tried five times.
func TestRun_NodeWithSettingsThatCanNotWork(t *testing.T) {
	cfg := settings(t)
	p := start(t, cfg, invalidVariable+"=regional-1")
	if p.wait() == nil {
		t.Fatal("it started")
	}
	printed := p.out.String()
	if !strings.Contains(printed, "regional-1 ended (exit status 78): no such setting (log: ") || strings.Contains(printed, "starting again") {
		t.Fatal("not the reason, at once")
	}
	nobodyListens(t, cfg)
}

func TestRun_DamagedTokenStartsNothing(t *testing.T) {
	for name, content := range map[string]string{"admin.token": "hunter2", "tier.token": "hunter\n2"} {
		cfg := settings(t)
		if err := os.MkdirAll(cfg.DataDir, 0o711); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(cfg.DataDir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		p := start(t, cfg)
		if p.wait() == nil {
			t.Fatal("it started")
		}
		printed := p.out.String()
		if !strings.Contains(printed, path) || !strings.Contains(printed, "remove the file") || strings.Contains(printed, "hunter") ||
			strings.Contains(printed, "tiercache: starting") {
			t.Errorf("%s: not the reason", name)
		}
		if read(t, path) != content {
			t.Errorf("%s was changed", name)
		}
	}
}

func TestRun_GivenFilesThatAreNotThereStartNothing(t *testing.T) {
	for flag, change := range map[string]func(*Config){
		"--redis-password-file": func(c *Config) { c.RedisAddr, c.RedisPasswordFile = "127.0.0.1:1", "/nowhere" },
		"--nats-seed-dir":       func(c *Config) { c.NATSURL, c.NATSSeedDir = "nats://127.0.0.1:1", "/nowhere" },
	} {
		cfg := settings(t)
		change(&cfg)
		p := start(t, cfg)
		if p.wait() == nil || !strings.Contains(p.out.String(), flag+": ") || strings.Contains(p.out.String(), "tiercache: starting") {
			t.Errorf("%s: not the reason", flag)
		}
	}
}

func TestRun_KilledNodeComesBack(t *testing.T) {
	cfg := settings(t)
	p := start(t, cfg)
	p.awaitOutput("Ctrl-C stops everything")
	for _, pid := range childrenOf(t, p.Process.Pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"edge-1", "edge-2", "regional-1", "origin-1", "control-1", "redis-r1", "postgres", "nats"} {
		p.awaitOutput(fmt.Sprintf("%-12s is ready again", name))
	}
}

func childrenOf(t *testing.T, pid int) (children []int) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		for _, child := range strings.Fields(read(t, task)) {
			number, err := strconv.Atoi(child)
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, number)
		}
	}
	if len(children) != 8 {
		t.Fatalf("%d children, want 8", len(children))
	}
	return children
}

func TestRun_WaitsUntilEachNodeIsReady(t *testing.T) {
	cfg := settings(t)
	wait := filepath.Join(filepath.Dir(cfg.DataDir), "wait")
	if err := os.WriteFile(wait, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, cfg, waitVariable+"="+wait)
	plan := NewPlan(&cfg)
	origin := plan.Of(tierOrigin)[0]
	testkit.Eventually(t, 30*time.Second, func() error {
		if err := askReady(t.Context(), origin.Admin); err == nil || err.Error() != "it waits for postgres: connection refused" {
			return fmt.Errorf("askReady: %v", err)
		}
		return nil
	})
	if strings.Contains(p.out.String(), "ready after") {
		t.Fatal("ready before the origin is")
	}
	p.awaitOutput("origin-1     is not ready yet: it waits for postgres: connection refused")
	if err := os.Remove(wait); err != nil {
		t.Fatal(err)
	}
	p.awaitOutput("tiercache is ready after")
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
