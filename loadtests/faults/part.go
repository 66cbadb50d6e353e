package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"tiercache/shared/platform"
)

// stopTime is how long a part may take to end when it is asked to.
const stopTime = 15 * time.Second

// part is a program of the fleet on its host: a node, or a server.
type part struct {
	host    *host
	name    string
	account string   // empty: root
	path    string   // of the program
	args    []string // which have no secrets
	env     []string // for the program itself: what is preloaded must not be by what changes the user
	stdin   string
	dir     string // working folder; what else runs there belongs to it
	logs    string // folder
	ready   func(ctx context.Context) error

	mu     sync.Mutex
	proc   *platform.Process // nil while it does not run
	log    *os.File
	starts int
}

// start starts it, without waiting.
func (p *part) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc != nil {
		return nil
	}
	log, err := os.OpenFile(filepath.Join(p.logs, p.name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	p.starts++
	fmt.Fprintf(log, "--- start %d\n", p.starts)
	p.proc, err = platform.StartProcess(platform.Program{
		Name: p.name, Path: "/usr/bin/nsenter", Args: p.host.enter(p.account, slices.Concat([]string{"env"}, p.env, []string{p.path}, p.args)...),
		Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C", "TZ=UTC"}, Dir: p.dir, Stdin: p.stdin,
	}, log)
	if err != nil {
		return errors.Join(err, log.Close())
	}
	p.log = log
	return nil
}

// started is how often it was.
func (p *part) started() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// await waits until it is ready.
func (p *part) await(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		if p.ended() {
			return fmt.Errorf("%s ended while it started: see %s", p.name, filepath.Join(p.logs, p.name+".log"))
		}
		if rest(ctx, 30*time.Millisecond) != nil {
			return fmt.Errorf("%s is not ready: %w", p.name, err)
		}
	}
}

func (p *part) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc == nil {
		return true
	}
	select {
	case <-p.proc.Done():
		return true
	default:
		return false
	}
}

// kill ends it at once, with all that belongs to it.
func (p *part) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc == nil {
		return nil
	}
	err := p.proc.Kill()
	for _, pid := range p.others() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // or it has ended by itself
	}
	return errors.Join(err, p.close())
}

// stop asks it to end and waits for that.
func (p *part) stop(ctx context.Context, sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	if err := p.proc.Signal(sig); err != nil {
		return err
	}
	select {
	case <-p.proc.Done():
		return p.close()
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("%s does not end", p.name), p.proc.Kill(), p.close())
	}
}

func (p *part) close() error {
	p.proc = nil
	return p.log.Close()
}

// pause stops it in its tracks; resume lets it go on.
func (p *part) pause() error  { return p.signal(syscall.SIGSTOP) }
func (p *part) resume() error { return p.signal(syscall.SIGCONT) }

func (p *part) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc == nil {
		return nil
	}
	for _, pid := range p.others() {
		_ = syscall.Kill(pid, sig) // or it has ended by itself
	}
	return p.proc.Signal(sig)
}

// others are its processes beside the first.
func (p *part) others() []int {
	if p.dir == "" {
		return nil
	}
	return processesIn(p.dir)
}

// rest waits; its error is that of ctx.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
