package runner

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// impatience is how long after the first signal another one counts as the wish not to wait for the drain.
// What comes sooner is the same wish twice: timeout(1) signals its child and then the child's group.
const impatience = time.Second

// Signals returns a context that the first SIGINT, SIGTERM or SIGHUP cancels. One that comes a second later
// or more ends the process at once with status 1, for somebody who does not want to wait for the drain. A
// process that was started with SIGHUP ignored, as by nohup, goes on ignoring it.
//
// From then on a write to standard output or error that nobody reads any more fails instead of ending the
// process (SIGPIPE): with `| tee log`, Ctrl-C ends tee first, and the drain has to say things.
//
// The cancel function gives the signals back their default effect and must be called. It leaves SIGPIPE,
// since the process's last words are yet to come.
func Signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	received := make(chan os.Signal, 2)
	signal.Notify(received, ending()...)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // caught, not ignored: children would inherit that
	released := make(chan struct{})                         // closed by the returned cancel function
	go func() {
		if second := await(received, released, cancel); second != nil {
			fmt.Fprintf(os.Stderr, "tiercache: killed by a second signal (%v)\n", second)
			os.Exit(1)
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(received)
		close(released)
		cancel()
	})
}

// ending are the signals that ask the process to end.
func ending() []os.Signal {
	asked := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		asked = append(asked, syscall.SIGHUP)
	}
	return asked
}

// await calls first on the first signal and returns the one that counts as the second, or nil once released.
func await(received <-chan os.Signal, released <-chan struct{}, first func()) os.Signal {
	var began time.Time // when the first signal came
	for {
		select {
		case sig := <-received:
			switch {
			case began.IsZero():
				began = time.Now()
				first()
			case time.Since(began) >= impatience:
				return sig
			}
		case <-released:
			return nil
		}
	}
}
