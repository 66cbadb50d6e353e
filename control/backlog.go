package control

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// backlogInterval is how often what waits in the outbox is counted.
const backlogInterval = time.Second

// backlog is what waited in the outbox when that was counted last.
type backlog struct {
	rows   atomic.Int64  // -1: it could not be counted
	oldest atomic.Uint64 // seconds, as math.Float64bits
}

// followBacklog counts until ctx ends. What it finds is for metrics alone, so that an error only says that it is not known.
func (c *Control) followBacklog(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(backlogInterval)
	defer tick.Stop()
	for {
		b, err := c.store.Backlog(ctx)
		c.backlog.rows.Store(int64(b.Rows))
		if err != nil {
			c.backlog.rows.Store(-1)
		}
		c.backlog.oldest.Store(math.Float64bits(b.Oldest.Seconds()))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// observeBacklog serves what waits: before it has a number, and before nodes have applied it.
func (c *Control) observeBacklog(meter metric.Meter) error {
	seconds := func(name, description string, observe func(metric.Float64Observer)) error {
		_, err := meter.Float64ObservableGauge(name, metric.WithDescription(description),
			metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error { observe(o); return nil }))
		return err
	}
	_, err := meter.Int64ObservableGauge("tiercache_log_outbox_rows",
		metric.WithDescription("Committed writes that wait for their epochs, counted once a second up to 10000; -1: not known."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error { o.Observe(c.backlog.rows.Load()); return nil }))
	if err != nil {
		return err
	}
	err = seconds("tiercache_log_outbox_oldest_seconds", "How long ago the transaction of the oldest write began that waits for its epoch; 0: none waits.",
		func(o metric.Float64Observer) { o.Observe(math.Float64frombits(c.backlog.oldest.Load())) })
	if err != nil {
		return err
	}
	return seconds("tiercache_fleet_lag_seconds", "How long ago this control node saw the first entry that the member furthest behind lacks, by tier; without those that hold no lease.", c.observeLag)
}
