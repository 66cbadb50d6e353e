package edge

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"tiercache/edge/l1"
	"tiercache/edge/peers"
	"tiercache/shared/proxy"
)

// observe registers the node's instruments.
func observe(meter metric.Meter, p *proxy.Proxy, cache *l1.Cache, upstream *peers.Peers) error {
	if err := p.Observe(meter); err != nil {
		return err
	}
	entries, err1 := meter.Int64ObservableGauge("tiercache.l1.entries", metric.WithDescription("Values in L1: entries and segments"))
	bytes, err2 := meter.Int64ObservableGauge("tiercache.l1.size", metric.WithUnit("By"), metric.WithDescription("Memory that L1's rings take"))
	evictions, err3 := meter.Int64ObservableCounter("tiercache.l1.evictions", metric.WithDescription("Values that L1 evicted for space"))
	failures, err4 := meter.Int64ObservableCounter("tiercache.peers.failures", metric.WithDescription("Attempts at a regional node that failed"))
	direct, err5 := meter.Int64ObservableCounter("tiercache.peers.direct", metric.WithDescription("Requests that passed by all regional nodes"))
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return fmt.Errorf("edge instruments: %w", err)
		}
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := cache.Stats()
		o.ObserveInt64(entries, int64(s.Entries))
		o.ObserveInt64(bytes, int64(s.Bytes))
		o.ObserveInt64(evictions, int64(s.Evictions))
		o.ObserveInt64(failures, int64(upstream.Stats().Failures.Load()))
		o.ObserveInt64(direct, int64(upstream.Stats().Direct.Load()))
		return nil
	}, entries, bytes, evictions, failures, direct)
	if err != nil {
		return fmt.Errorf("edge instruments: %w", err)
	}
	return nil
}
