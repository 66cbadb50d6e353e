package edge

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"tiercache/edge/l1"
	"tiercache/edge/peers"
	"tiercache/shared/proxy"
)

// counted is an instrument that only grows, and where its value is.
type counted struct {
	name, help string
	value      func(l1.Stats) uint64
}

// l1Counters are what L1 counts.
func l1Counters() []counted {
	return []counted{
		{"tiercache.l1.evictions", "Values that L1 evicted for space", func(s l1.Stats) uint64 { return s.Evictions }},
		{"tiercache.l1.rejections", "Evictions of new values that were not asked for enough to stay", func(s l1.Stats) uint64 { return s.Rejected }},
		{"tiercache.l1.drops", "Evictions of values that had earned to stay, because too many had to move at once", func(s l1.Stats) uint64 { return s.Dropped }},
		{"tiercache.l1.promotions", "New values that were asked for enough to stay, or found room", func(s l1.Stats) uint64 { return s.Promoted }},
		{"tiercache.l1.readmissions", "Values that were stored to stay, because they were evicted or removed not long ago", func(s l1.Stats) uint64 { return s.Readmitted }},
		{"tiercache.l1.reinsertions", "Values that were kept when it was their turn to go, because they were asked for", func(s l1.Stats) uint64 { return s.Reinserted }},
		{"tiercache.l1.collisions", "Lookups that found another key's value, which is a miss", func(s l1.Stats) uint64 { return s.Collisions }},
	}
}

// observe registers the node's instruments.
func observe(meter metric.Meter, p *proxy.Proxy, cache *l1.Cache, upstream *peers.Peers) error {
	if err := p.Observe(meter); err != nil {
		return err
	}
	if err := observeL1(meter, cache); err != nil {
		return fmt.Errorf("edge instruments: %w", err)
	}
	failures, err1 := meter.Int64ObservableCounter("tiercache.peers.failures", metric.WithDescription("Attempts at a regional node that failed"))
	direct, err2 := meter.Int64ObservableCounter("tiercache.peers.direct", metric.WithDescription("Requests that passed by all regional nodes"))
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("edge instruments: %w", err)
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(failures, int64(upstream.Stats().Failures.Load()))
		o.ObserveInt64(direct, int64(upstream.Stats().Direct.Load()))
		return nil
	}, failures, direct)
	if err != nil {
		return fmt.Errorf("edge instruments: %w", err)
	}
	return nil
}

// observeL1 registers what L1 holds and counts.
func observeL1(meter metric.Meter, cache *l1.Cache) error {
	entries, err1 := meter.Int64ObservableGauge("tiercache.l1.entries", metric.WithDescription("Values in L1: entries and segments"))
	bytes, err2 := meter.Int64ObservableGauge("tiercache.l1.size", metric.WithUnit("By"), metric.WithDescription("Memory that L1's rings take"))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	instruments := []metric.Observable{entries, bytes}
	counters := l1Counters()
	observed := make([]metric.Int64ObservableCounter, len(counters))
	for i, c := range counters {
		var err error
		if observed[i], err = meter.Int64ObservableCounter(c.name, metric.WithDescription(c.help)); err != nil {
			return err
		}
		instruments = append(instruments, observed[i])
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := cache.Stats()
		o.ObserveInt64(entries, int64(s.Entries))
		o.ObserveInt64(bytes, s.Bytes)
		for i, c := range counters {
			o.ObserveInt64(observed[i], int64(c.value(s)))
		}
		return nil
	}, instruments...)
	return err
}
