package runner

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Signals returns a context that the first SIGINT or SIGTERM cancels. The second one ends the process
// at once with status 1, for somebody who does not want to wait for the drain. The cancel function
// gives the signals back their default effect and must be called.
func Signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	received := make(chan os.Signal, 2)
	signal.Notify(received, syscall.SIGINT, syscall.SIGTERM)
	released := make(chan struct{}) // closed by the returned cancel function
	go func() {
		if await(received, released) {
			cancel()
			if await(received, released) {
				os.Exit(1)
			}
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(received)
		close(released)
		cancel()
	})
}

// await reports whether a signal came before the release.
func await(received <-chan os.Signal, released <-chan struct{}) bool {
	select {
	case <-received:
		return true
	case <-released:
		return false
	}
}
