package l2

import (
	"context"
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"tiercache/shared/object"
)

// BreakerConfig is when a breaker opens and how it closes again. Zero fields take
// their defaults.
type BreakerConfig struct {
	// Failures is how many calls in a row must fail or be slow. Default 5.
	Failures uint
	// Slow is the duration from which a call counts as failed, whatever its
	// answer. It should be below the store's own deadline. Default 200 ms.
	Slow time.Duration
	// Probe is how long the breaker stays open before one call is let through, and
	// then between such calls. Default 1 s.
	Probe time.Duration
	// OnChange is called when the store becomes unavailable, with the error that
	// opened the breaker, and when it is available again, with nil: once a change
	// and never once a request. It must not block. Default: nothing.
	OnChange func(cause error)
}

func (c BreakerConfig) withDefaults() BreakerConfig {
	if c.Failures == 0 {
		c.Failures = 5
	}
	if c.Slow == 0 {
		c.Slow = 200 * time.Millisecond
	}
	if c.Probe == 0 {
		c.Probe = time.Second
	}
	if c.OnChange == nil {
		c.OnChange = func(error) {}
	}
	return c
}

// errSlow is the cause when calls were answered, but too late.
var errSlow = errors.New("l2: store answers too slowly")

// Breaker is an [object.Store] that asks another one only while that answers, and
// counts. While it is open every call returns ErrUnavailable at once; each Probe
// one call goes through, and the first that succeeds closes it.
type Breaker struct {
	store    object.Store
	cfg      BreakerConfig
	circuit  circuitbreaker.CircuitBreaker[any]
	counters counters
}

var (
	_ object.Store    = (*Breaker)(nil)
	_ object.Extender = (*Breaker)(nil)
)

// NewBreaker returns a closed breaker in front of store. It starts nothing; see
// Run.
func NewBreaker(store object.Store, cfg BreakerConfig) *Breaker {
	b := &Breaker{store: store, cfg: cfg.withDefaults()}
	b.circuit = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(b.cfg.Failures).
		WithSuccessThreshold(1).
		WithDelay(b.cfg.Probe).
		OnStateChanged(b.changed).
		Build()
	return b
}

// Lookup implements [object.Store]. Beyond the store's errors there is
// ErrUnavailable.
func (b *Breaker) Lookup(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := b.call(ctx, func() (err error) {
		value, err = b.store.Lookup(ctx, key)
		return err
	})
	switch {
	case err == nil:
		b.counters.hits.Add(1)
	case errors.Is(err, object.ErrNotFound):
		b.counters.misses.Add(1)
	}
	return value, err
}

// Store implements [object.Store]. Beyond the store's errors there is
// ErrUnavailable.
func (b *Breaker) Store(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := object.CheckSize(key, value); err != nil {
		return err
	}
	err := b.call(ctx, func() error { return b.store.Store(ctx, key, value, ttl) })
	if err == nil {
		b.counters.stores.Add(1)
	}
	return err
}

// Remove implements [object.Store]. Beyond the store's errors there is
// ErrUnavailable.
func (b *Breaker) Remove(ctx context.Context, key string) error {
	return b.call(ctx, func() error { return b.store.Remove(ctx, key) })
}

// Extend implements [object.Extender]. It does nothing when the store has no
// expiry. Beyond the store's errors there is ErrUnavailable.
func (b *Breaker) Extend(ctx context.Context, key string, ttl time.Duration) error {
	extender, ok := b.store.(object.Extender)
	if !ok {
		return nil
	}
	return b.call(ctx, func() error { return extender.Extend(ctx, key, ttl) })
}

// Available reports whether the breaker is closed.
func (b *Breaker) Available() bool { return b.circuit.IsClosed() }

// Run asks the store each Probe while the breaker is not closed, so that a store
// which came back is noticed when there are no requests, and requests need not be
// what finds out. It returns nil when ctx ends.
func (b *Breaker) Run(ctx context.Context) error {
	// More often than Probe, so that what the circuit's clock rounds up does not
	// cost another whole Probe.
	ticker := time.NewTicker(max(b.cfg.Probe/4, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if !b.circuit.IsClosed() {
				b.probe(ctx)
			}
		}
	}
}

// probe looks up a key that nothing is stored under. Its outcome is the breaker's
// to judge: there is nobody else to tell.
func (b *Breaker) probe(ctx context.Context) {
	const key = "breaker probe..."
	_ = b.call(ctx, func() error {
		_, err := b.store.Lookup(ctx, key)
		return err
	})
}

// call runs f unless the breaker is open, and records how it went.
func (b *Breaker) call(ctx context.Context, f func() error) error {
	if !b.circuit.TryAcquirePermit() {
		b.counters.skipped.Add(1)
		return ErrUnavailable
	}
	start := time.Now()
	err := f()
	b.record(ctx, err, time.Since(start) >= b.cfg.Slow)
	return err
}

// record tells the circuit how a call went. A caller who gave up says nothing
// about the store unless it had waited for long; but each call that the half-open
// circuit let through must be recorded, or it would wait for that one for ever.
func (b *Breaker) record(ctx context.Context, err error, slow bool) {
	failed := err != nil && !isAnswer(err)
	gaveUp := failed && !slow && ctx.Err() != nil
	switch {
	case gaveUp && !b.circuit.IsHalfOpen():
	case failed || slow:
		b.counters.fail(err, gaveUp)
		b.counters.cause.Store(&failure{err})
		b.circuit.RecordFailure()
	default:
		if err != nil && errors.Is(err, ErrFull) {
			b.counters.errors.Add(1)
		}
		b.circuit.RecordSuccess()
	}
}

// isAnswer reports whether a store that returned err is there and answering.
func isAnswer(err error) bool {
	return errors.Is(err, object.ErrNotFound) || errors.Is(err, object.ErrTooLarge) || errors.Is(err, ErrFull)
}

// changed tells OnChange. Half-open is no change: the store is as unavailable as
// before, and a failing probe takes the circuit back to open.
func (b *Breaker) changed(e circuitbreaker.StateChangedEvent) {
	switch {
	case e.NewState == circuitbreaker.ClosedState:
		b.cfg.OnChange(nil)
	case e.NewState == circuitbreaker.OpenState && e.OldState == circuitbreaker.ClosedState:
		b.cfg.OnChange(b.counters.lastCause())
	}
}
