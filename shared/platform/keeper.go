package platform

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// keeper keeps one service running.
type keeper struct {
	service     Service
	say         func(service, line string)
	stopTimeout time.Duration
	logPath     string

	ready chan struct{} // closed when the service was ready for the first time
	stop  chan struct{} // closed by the supervisor: end the child
	gone  chan struct{} // closed when run has returned: no child is left

	mu struct {
		sync.Mutex
		pid int
		why string // why it is not ready
	}
}

func newKeeper(service Service, cfg SupervisorConfig) *keeper {
	k := &keeper{
		service: service, say: cfg.Say, stopTimeout: cfg.StopTimeout,
		logPath: filepath.Join(cfg.LogDir, service.Name+".log"),
		ready:   make(chan struct{}), stop: make(chan struct{}), gone: make(chan struct{}),
	}
	k.mu.why = "it was not started yet"
	return k
}

// run starts the service again and again until stop; its error is why it gave up.
func (k *keeper) run() error {
	defer close(k.gone)
	out, err := openOutput(k.logPath, k.service.Loud, func(line string) { k.say(k.service.Name, line) })
	if err != nil {
		return fmt.Errorf("%s: %w", k.service.Name, err)
	}
	var wait pauses
	for attempt := 1; ; attempt++ {
		started := time.Now()
		err := k.once(out)
		if err == nil {
			return out.Close()
		}
		if err = k.judge(err, attempt); err != nil {
			return errors.Join(err, out.Close())
		}
		pause := wait.after(time.Since(started))
		k.say(k.service.Name, fmt.Sprintf("%s; starting again in %v", k.why(), pause))
		if !k.pause(pause) {
			return out.Close()
		}
	}
}

// once runs one child to its end. It returns nil only when it was told to stop.
func (k *keeper) once(out *output) error {
	ctx, cancel := k.untilStop()
	defer cancel()
	program, err := k.service.Program(ctx)
	if err == nil {
		select {
		case <-k.stop:
			return nil
		default:
		}
		return k.serve(ctx, program, out)
	}
	select {
	case <-k.stop:
		return nil
	default:
		return fmt.Errorf("%w: %w", errNoProgram, err)
	}
}

// errNoProgram marks a failure before there was a child.
var errNoProgram = errors.New("cannot be started")

func (k *keeper) serve(ctx context.Context, program Program, out *output) error {
	proc, err := StartProcess(program, out)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoProgram, err)
	}
	k.note(proc.Pid(), "it is starting")
	if k.awaitReady(ctx, proc) {
		select {
		case <-k.stop:
		case <-proc.Done():
		}
	}
	select {
	case <-k.stop:
		return k.end(proc)
	default:
	}
	<-proc.Done()
	return ending(proc, out)
}

// ending is how a child ended that nobody told to: its status and, unless it was killed, its last words.
func ending(proc *Process, out *output) error {
	var exit *exec.ExitError
	if words := out.lastLine(); errors.As(proc.Err(), &exit) && exit.Exited() && words != "" {
		return fmt.Errorf("ended (%w): %s", exit, words)
	}
	return fmt.Errorf("ended (%s)", exitText(proc.Err()))
}

// awaitReady polls until the child is ready (true), has ended or is to stop.
func (k *keeper) awaitReady(ctx context.Context, proc *Process) bool {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := k.service.Ready(ctx)
		if err == nil {
			k.markReady()
			return true
		}
		k.note(proc.Pid(), err.Error())
		select {
		case <-k.stop:
			return false
		case <-proc.Done():
			return false
		case <-ticker.C:
		}
	}
}

func (k *keeper) markReady() {
	if k.wasReady() {
		k.say(k.service.Name, "is ready again")
		return
	}
	close(k.ready)
}

func (k *keeper) wasReady() bool {
	select {
	case <-k.ready:
		return true
	default:
		return false
	}
}

// end stops the child; having to kill it is worth a line, not an error.
func (k *keeper) end(proc *Process) error {
	ctx, cancel := context.WithTimeout(context.Background(), k.stopTimeout)
	defer cancel()
	if err := proc.Stop(ctx); err != nil {
		k.say(k.service.Name, err.Error())
	}
	return nil
}

// judge decides whether the service is worth another start: nil when it is. A service that was ready once
// always is; one that never was gets a few tries, and none when there is no program to run or when it says itself
// that another start would end the same.
func (k *keeper) judge(err error, attempt int) error {
	k.note(0, err.Error())
	if k.wasReady() {
		return nil
	}
	if errors.Is(err, errNoProgram) {
		return fmt.Errorf("%s %w", k.service.Name, err)
	}
	var exit *exec.ExitError
	if k.service.Final != 0 && errors.As(err, &exit) && exit.ExitCode() == k.service.Final {
		return fmt.Errorf("%s %w (log: %s)", k.service.Name, err, k.logPath)
	}
	if attempt < hopeless {
		return nil
	}
	return fmt.Errorf("%s %w, the same at each of %d starts (log: %s)", k.service.Name, err, attempt, k.logPath)
}

// untilStop is a context that ends when stop is closed.
func (k *keeper) untilStop() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-k.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// pause waits; false when it was told to stop meanwhile.
func (k *keeper) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-k.stop:
		return false
	case <-timer.C:
		return true
	}
}

// note keeps the child's id (0: the last one stays) and why the service is not ready.
func (k *keeper) note(pid int, why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if pid != 0 {
		k.mu.pid = pid
	}
	k.mu.why = why
}

func (k *keeper) why() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mu.why
}

func (k *keeper) pid() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mu.pid
}
