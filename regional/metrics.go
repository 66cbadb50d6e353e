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
	counters := map[string]func(l2.Stats) uint64{
		"hits":     func(s l2.Stats) uint64 { return s.Hits },
		"misses":   func(s l2.Stats) uint64 { return s.Misses },
		"errors":   func(s l2.Stats) uint64 { return s.Errors },
		"timeouts": func(s l2.Stats) uint64 { return s.Timeouts },
	}
	for name, read := range counters {
		_, err := meter.Int64ObservableCounter("tiercache.l2."+name, metric.WithDescription("Lookups and stores of L2: "+name),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				o.Observe(int64(read(breaker.Stats())))
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
