package testkit

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"tiercache/shared/platform"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 60 * time.Second
)

// Proc is a real server that a test may break. It is stopped when the test ends; what it printed is
// logged only if the test failed. Its methods fail the test on trouble and must be called by the test's
// own goroutine.
type Proc struct {
	// Addr is host:port; it stays the same over Restart.
	Addr string
	// URL is the database's, for PostgreSQL; empty for others.
	URL string

	t       testing.TB
	name    string
	output  *output
	start   func(ctx context.Context) (*platform.Process, error)
	process *platform.Process
}

// newProc starts the server by start.
func newProc(t testing.TB, name string, out *output, start func(context.Context) (*platform.Process, error)) *Proc {
	t.Helper()
	p := &Proc{t: t, name: name, output: out, start: start}
	t.Cleanup(p.end)
	p.Restart()
	return p
}

// Pid is the process id of the server that runs, or ran last.
func (p *Proc) Pid() int { return p.process.Pid() }

// Kill9 ends the server at once, as a crash does, and returns when it is gone.
func (p *Proc) Kill9() {
	p.t.Helper()
	if err := p.process.Kill(); err != nil {
		p.t.Fatal(err)
	}
}

// Restart starts the server again, after Kill9 or in place of the one that runs, on the same address and
// data, and returns when it is ready.
func (p *Proc) Restart() {
	p.t.Helper()
	if p.process != nil {
		p.stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	process, err := p.start(ctx)
	if err != nil {
		p.t.Fatalf("start %s: %v%s", p.name, err, advice(err))
	}
	p.process = process
}

// Pause stops the server's execution (SIGSTOP): connections stay open and nothing answers.
func (p *Proc) Pause() { p.signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (p *Proc) Resume() { p.signal(syscall.SIGCONT) }

func (p *Proc) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// stop ends the server, also a paused one.
func (p *Proc) stop() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := errors.Join(p.process.Signal(syscall.SIGCONT), p.process.Stop(ctx)); err != nil {
		p.t.Errorf("stop %s: %v", p.name, err)
	}
}

func (p *Proc) end() {
	if p.process != nil {
		p.stop()
	}
	if p.t.Failed() {
		p.t.Logf("what %s printed:\n%s", p.name, p.output)
	}
}

// advice is what to do about a server that is not installed.
func advice(err error) string {
	if errors.Is(err, platform.ErrNotInstalled) {
		return "\nrun make test: it installs what tests need"
	}
	return ""
}

// outputLimit is how much of a server's output is kept, in bytes: its end.
const outputLimit = 64 << 10

// output keeps the end of what a server printed.
type output struct {
	mu struct {
		sync.Mutex
		bytes []byte
	}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.bytes = append(o.mu.bytes, b...)
	if over := len(o.mu.bytes) - outputLimit; over > 0 {
		o.mu.bytes = append(o.mu.bytes[:0], o.mu.bytes[over:]...)
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.mu.bytes)
}
