package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
)

const (
	// defaultWait and maxWait are how long a command may take that can wait for the fleet: unless told otherwise, and
	// at most.
	defaultWait = 10 * time.Second
	maxWait     = 60 * time.Second

	// maxMargin is how much earlier than a command ends it is answered at the latest, so that the answer still comes.
	maxMargin = 200 * time.Millisecond
)

// timeoutValue is the value of --timeout.
type timeoutValue time.Duration

// Set implements pflag.Value.
func (v *timeoutValue) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > maxWait {
		return fmt.Errorf("use a time above 0 and up to %v, such as 500ms or 10s", maxWait)
	}
	*v = timeoutValue(d)
	return nil
}

// String implements pflag.Value.
func (v *timeoutValue) String() string { return time.Duration(*v).String() }

// Type implements pflag.Value.
func (v *timeoutValue) Type() string { return "duration" }

// bindTimeout adds --timeout.
func bindTimeout(fs *pflag.FlagSet, timeout *time.Duration, what string) {
	*timeout = defaultWait
	fs.Var((*timeoutValue)(timeout), "timeout", what+", at most 1m")
}

// waiting is the settings of a command that may wait for the fleet.
type waiting struct {
	wait    bool
	timeout time.Duration
}

// bind adds --wait, which waits for what, and --timeout.
func (w *waiting) bind(fs *pflag.FlagSet, what string) {
	fs.BoolVar(&w.wait, "wait", false, what)
	bindTimeout(fs, &w.timeout, "how long the command may take, waiting or not")
}

// asked is how long a server is asked to wait by a command that is over after timeout, which must have the answer
// before.
func asked(timeout time.Duration) time.Duration {
	return max(timeout-min(timeout/10, maxMargin), time.Millisecond)
}

// left is what a server is asked to wait by a command with a deadline, 0 when it does not wait.
func (w *waiting) left(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !w.wait || !ok {
		return 0
	}
	return asked(time.Until(end))
}

// within bounds a command.
func within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within --timeout %v", timeout))
}

// late reports whether the time of a command is over.
func late(ctx context.Context) bool { return errors.Is(ctx.Err(), context.DeadlineExceeded) }
