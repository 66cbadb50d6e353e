package regional

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"tiercache/regional/l2"
	"tiercache/shared/proxy"
)

// observe registers the node's instruments.
func observe(meter metric.Meter, p *proxy.Proxy, breaker *l2.Breaker) error {
	if err := p.Observe(meter); err != nil {
		return err
	}
	available, err := meter.Int64ObservableGauge("tiercache.l2.available", metric.WithDescription("1 while L2 is asked, 0 while every lookup is a miss"))
	if err != nil {
		return fmt.Errorf("regional instruments: %w", err)
	}
	counters := []struct {
		name, help string
		read       func(l2.Stats) uint64
	}{
		{"hits", "Lookups that found a value in L2", func(s l2.Stats) uint64 { return s.Hits }},
		{"misses", "Lookups that L2 answered with not found", func(s l2.Stats) uint64 { return s.Misses }},
		{"stores", "Values stored in L2", func(s l2.Stats) uint64 { return s.Stores }},
		{"errors", "Calls that L2 failed to answer, or refused for want of room", func(s l2.Stats) uint64 { return s.Errors }},
		{"timeouts", "Those of the errors for which time ran out", func(s l2.Stats) uint64 { return s.Timeouts }},
		{"slow", "Calls that L2 answered so late that they count against it", func(s l2.Stats) uint64 { return s.Slow }},
		{"skipped", "Calls that were not made because the breaker was open", func(s l2.Stats) uint64 { return s.Skipped }},
	}
	for _, c := range counters {
		_, err := meter.Int64ObservableCounter("tiercache.l2."+c.name, metric.WithDescription(c.help),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				o.Observe(int64(c.read(breaker.Stats())))
				return nil
			}))
		if err != nil {
			return fmt.Errorf("regional instruments: %w", err)
		}
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		var v int64
		if breaker.Available() {
			v = 1
		}
		o.ObserveInt64(available, v)
		return nil
	}, available)
	if err != nil {
		return fmt.Errorf("regional instruments: %w", err)
	}
	return nil
}
