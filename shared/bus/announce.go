package bus

import (
	"context"
	"errors"
	"time"

	"tiercache/shared/runner"
)

// HelloInterval is how often a node announces itself.
const HelloInterval = time.Second

const (
	// checkInterval is how often it looks whether it has something new to say.
	checkInterval = 100 * time.Millisecond

	// goodbyeTimeout bounds the last message of a node that stops.
	goodbyeTimeout = 500 * time.Millisecond
)

// Announce is the part by which a node is known on the bus: it sends what hello returns every second, at
// once when its Ready changes or the connection comes back, and once more, not ready, when it stops. It
// is ready at once and never fails for want of NATS. Without a bus it does nothing.
func Announce(b *Bus, hello func() Hello) runner.Part {
	return runner.Part{Name: component, Run: func(ctx context.Context, ready func()) error {
		ready()
		if b == nil {
			<-ctx.Done()
			return nil
		}
		return b.announce(ctx, hello)
	}}
}

// announce ends with an error only for a message that can never be sent.
func (b *Bus) announce(ctx context.Context, hello func() Hello) error {
	check := time.NewTicker(checkInterval)
	defer check.Stop()
	var said Hello
	var at time.Time // when said was sent; zero: it was not
	for {
		if h := hello(); h.Ready != said.Ready || time.Since(at) >= HelloInterval {
			err := b.PublishHello(h)
			if errors.Is(err, ErrName) || errors.Is(err, ErrHello) {
				return err
			}
			if err == nil {
				said, at = h, time.Now()
			}
		}
		select {
		case <-check.C:
		case <-ctx.Done():
			b.goodbye(hello())
			return nil
		}
	}
}

// goodbye makes the stop known at once instead of after a silence; that it may fail is why the
// silence is watched too.
func (b *Bus) goodbye(h Hello) {
	h.Ready = false
	if b.PublishHello(h) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	_ = b.Flush(ctx)
}
