package control

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"tiercache/control/members"
)

// observe registers the node's metrics.
func (c *Control) observe() error {
	meter := c.tel.Meter()
	_, nodes := meter.Int64ObservableGauge("tiercache_fleet_nodes",
		metric.WithDescription("Nodes that control has heard of, by tier and state."),
		metric.WithInt64Callback(c.countNodes))
	_, leases := meter.Int64ObservableGauge("tiercache_fleet_members",
		metric.WithDescription("Members of the fleet, whose receipts purges wait for, by tier and lease."),
		metric.WithInt64Callback(c.countMembers))
	return errors.Join(nodes, leases, c.observeLog(meter), c.observeBacklog(meter))
}

// observeLog serves what the sequencer does.
func (c *Control) observeLog(meter metric.Meter) error {
	gauge := func(name, description string, value func() int64) error {
		_, err := meter.Int64ObservableGauge(name, metric.WithDescription(description),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error { o.Observe(value()); return nil }))
		return err
	}
	counter := func(name, description string, value *atomic.Uint64) error {
		_, err := meter.Int64ObservableCounter(name, metric.WithDescription(description),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error { o.Observe(int64(value.Load())); return nil }))
		return err
	}
	_, age := meter.Float64ObservableGauge("tiercache_log_outbox_age_seconds",
		metric.WithDescription("How long a committed write may have waited for its epoch: the time since the outbox was last emptied; -1 before."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(c.sequencer.Age().Seconds())
			return nil
		}))
	stats := c.sequencer.Stats()
	return errors.Join(
		age,
		gauge("tiercache_log_head", "Epoch of the last entry of the control log that this node has applied.",
			func() int64 { return int64(c.sequencer.Applied()) }),
		counter("tiercache_log_entries_total", "Entries of the control log that were read.", &stats.Entries),
		counter("tiercache_log_malformed_total", "Entries of the control log that could not be read and count as a purge of everything.", &stats.Malformed),
		counter("tiercache_log_resets_total", "Times that the control log was read anew because it had been set back or compacted.", &stats.Resets),
		counter("tiercache_log_branches_total", "Times that it was another branch of the control log, under the same numbers: a term then purges everything.", &stats.Branches),
		counter("tiercache_log_published_total", "Messages with entries that were handed to the bus.", &stats.Published),
		counter("tiercache_log_unpublished_total", "Messages with entries that could not be sent; nodes fetch what they miss.", &stats.Unpublished),
	)
}

func (c *Control) countNodes(_ context.Context, o metric.Int64Observer) error {
	type group struct{ tier, state string }
	counts := make(map[group]int64)
	for _, n := range c.fleet(time.Now()).Nodes {
		counts[group{n.Tier, n.State}]++
	}
	for g, n := range counts {
		o.Observe(n, metric.WithAttributes(attribute.String("tier", g.tier), attribute.String("state", g.state)))
	}
	return nil
}

func (c *Control) countMembers(_ context.Context, o metric.Int64Observer) error {
	type group struct{ tier, lease string }
	counts := make(map[group]int64)
	for _, m := range c.members.Members() {
		counts[group{m.Tier, m.Lease}]++
	}
	for g, n := range counts {
		o.Observe(n, metric.WithAttributes(attribute.String("tier", g.tier), attribute.String("lease", g.lease)))
	}
	return nil
}

// observeLag tells, of each tier, how far the member is behind that is furthest behind.
func (c *Control) observeLag(o metric.Float64Observer) {
	lags := make(map[string]time.Duration)
	for _, m := range c.members.Members() {
		if m.Lease == members.LeaseLive {
			lags[m.Tier] = max(lags[m.Tier], m.Lag)
		}
	}
	for tier, lag := range lags {
		o.Observe(lag.Seconds(), metric.WithAttributes(attribute.String("tier", tier)))
	}
}

// published makes what records how long after they got their epochs entries were published here.
func (c *Control) published() func(time.Duration) {
	took := c.tel.NewDurations("tiercache_log_publish_lag", "How long after an entry got its epoch, by PostgreSQL's clock, this node had applied it and handed it to the bus.", "result", "ok")
	return func(d time.Duration) { took.Record(0, d) }
}

// polled makes what records how long polls of the log took.
func (c *Control) polled() func(time.Duration, error) {
	took := c.tel.NewDurations("tiercache_log_poll_duration", "How long reading the control log took, by result.", "result", "ok", "error")
	return func(d time.Duration, err error) {
		result := 0
		if err != nil {
			result = 1
		}
		took.Record(result, d)
	}
}

// measured records how long requests took, by class of status.
func (c *Control) measured(next http.Handler) http.Handler {
	took := c.tel.NewDurations("tiercache_control_request_duration",
		"How long the control API took to answer, by class of status.", "status", "other", "1xx", "2xx", "3xx", "4xx", "5xx")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		counted := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { took.Record(counted.class(), time.Since(start)) }()
		next.ServeHTTP(counted, r)
	})
}

// statusWriter remembers the status of a reply.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// class is the first digit of the status, 0 for a strange one.
func (w *statusWriter) class() int {
	if class := w.status / 100; class >= 1 && class <= 5 {
		return class
	}
	return 0
}
