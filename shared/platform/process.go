package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Program says what to run as a child process and how to end it.
type Program struct {
	// Name is what people see: postgres, edge-1.
	Name string
	// Path is the executable.
	Path string
	Args []string
	// Env is the whole environment, as NAME=value; nil: this process's own.
	Env []string
	// Dir is the working folder; empty: this process's own.
	Dir string
	// Stdin is all that the child can read there. Secrets go here or into files, never into Args.
	Stdin string
	// Account runs the child as somebody else; nil: as this process.
	Account *Account
	// Stop asks the child to end; 0: SIGTERM.
	Stop syscall.Signal
	// Orphaned is what the kernel sends the child when this process dies; 0: SIGKILL.
	Orphaned syscall.Signal
}

// copyDelay bounds how long the output of a dead child is read on while its own children hold the pipe.
const copyDelay = 2 * time.Second

// Process is one running child. It has its own process group, so that Ctrl-C on a terminal reaches only
// this process, which then ends its children in order.
//
// INVARIANT: the child's life is bounded by this process's. The kernel sends Program.Orphaned when the
// thread that forked the child exits, so one goroutine keeps that thread from fork to wait.
type Process struct {
	program Program
	pid     int
	done    chan struct{} // closed when the child has been waited for; err is set before
	err     error
}

// StartProcess starts p with its standard output and error going to out, one write at a time.
func StartProcess(p Program, out io.Writer) (*Process, error) {
	proc := &Process{program: p, done: make(chan struct{})}
	started := make(chan error, 1)
	go proc.forkAndWait(out, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	return proc, nil
}

// forkAndWait runs on a thread of its own for as long as the child lives.
func (p *Process) forkAndWait(out io.Writer, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := p.program.command(out)
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	p.pid = cmd.Process.Pid
	started <- nil
	p.err = cmd.Wait()
	if errors.Is(p.err, exec.ErrWaitDelay) {
		p.err = nil
	}
	close(p.done)
}

func (p *Program) command(out io.Writer) *exec.Cmd {
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env, cmd.Dir = p.Env, p.Dir
	cmd.Stdin = strings.NewReader(p.Stdin)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = copyDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:    true,
		Pdeathsig:  orSignal(p.Orphaned, syscall.SIGKILL),
		Credential: p.Account.credential(),
	}
	return cmd
}

// Pid is the child's process id, also after it has ended.
func (p *Process) Pid() int { return p.pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the child ended: nil for status 0. Valid once Done is closed.
func (p *Process) Err() error { return p.err }

// Signal sends sig to the child; one that has ended is not an error.
func (p *Process) Signal(sig syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %s: %w", p.program.Name, err)
	}
	return nil
}

// Stop asks the child to end and waits for it; when ctx ends first it kills the whole process group.
// The error says that it had to.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.Signal(orSignal(p.program.Stop, syscall.SIGTERM)); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	return errors.Join(fmt.Errorf("%s did not stop in time and was killed: %w", p.program.Name, ctx.Err()), p.Kill())
}

// Kill ends the child's process group at once and waits for the child.
func (p *Process) Kill() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := syscall.Kill(-p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.program.Name, err)
	}
	<-p.done
	return nil
}

func orSignal(sig, otherwise syscall.Signal) syscall.Signal {
	if sig == 0 {
		return otherwise
	}
	return sig
}
