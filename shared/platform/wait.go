package platform

import (
	"context"
	"fmt"
	"time"
)

// pollInterval is how often a starting server is asked whether it is ready.
const pollInterval = 20 * time.Millisecond

// await asks ready until it says nil. It gives up when proc ends or ctx does, with what ready said last.
func await(ctx context.Context, proc *Process, ready func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-proc.Done():
			return fmt.Errorf("%s ended while starting: %s", proc.program.Name, exitText(proc.Err()))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (%w)", proc.program.Name, err, ctx.Err())
		case <-ticker.C:
		}
	}
}

// exitText is how a child ended, in words.
func exitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}
