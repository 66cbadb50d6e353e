package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const (
	// ownSignals, among a command's annotations, says that it takes signals by itself: nodes, and up.
	ownSignals = "signals"

	// interruptGrace is how long a command that was interrupted may clean up. One that waits for something which
	// cannot be interrupted, such as a terminal, ends then all the same.
	interruptGrace = time.Second

	// signalStatus is added to a signal's number for the exit status, as shells do.
	signalStatus = 128
)

// takesSignals marks a command that drains by itself when it is told to end.
func takesSignals(cmd *cobra.Command) {
	if cmd.Annotations == nil {
		cmd.Annotations = make(map[string]string)
	}
	cmd.Annotations[ownSignals] = "own"
}

func ownsSignals(cmd *cobra.Command) bool { return cmd.Annotations[ownSignals] != "" }

// interruptedError is the cause of a context that a signal ended.
type interruptedError struct{ signal syscall.Signal }

func (e *interruptedError) Error() string { return fmt.Sprintf("interrupted (%v)", e.signal) }

// interruptible returns a context that SIGINT, SIGTERM and SIGHUP end, so that a client command can take away what
// is half done. A second signal, or the end of interruptGrace, ends the process at once. A process that was
// started with SIGHUP ignored, as by nohup, goes on ignoring it.
func interruptible(parent context.Context) (context.Context, func()) {
	asked := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		asked = append(asked, syscall.SIGHUP)
	}
	received := make(chan os.Signal, 1)
	signal.Notify(received, asked...)
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		select {
		case sig := <-received:
			number, _ := sig.(syscall.Signal) // always one, on this system
			cancel(&interruptedError{number})
			select {
			case <-received:
			case <-time.After(interruptGrace):
			}
			os.Exit(signalStatus + int(number))
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(received)
		cancel(nil)
	}
}

// interrupted is the signal that has ended a context, as an error; nil when none has.
func interrupted(ctx context.Context) error {
	var by *interruptedError
	if !errors.As(context.Cause(ctx), &by) {
		return nil
	}
	return by
}

// interruption gives an error its exit status when it came of a signal.
func interruption(ctx context.Context, err error) error {
	var by *interruptedError
	if !errors.As(context.Cause(ctx), &by) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		err = by // which says more
	}
	return &exitError{code: signalStatus + int(by.signal), err: err}
}
