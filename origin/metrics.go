package origin

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"tiercache/shared/telemetry"
)

// metrics are the origin's instruments. Labels are bounded: three routes, known methods, statuses.
type metrics struct {
	requests metric.Int64Counter
	duration *telemetry.Durations // by route
	bytes    metric.Int64Counter
}

// measured is a Store that can say what it is doing. A Store need not.
type measured interface {
	Pool() Pool
	Counts() Counts
}

func newMetrics(tel *telemetry.Telemetry, store Store) (*metrics, error) {
	meter := tel.Meter()
	m := &metrics{duration: tel.NewDurations("tiercache_origin_request_duration",
		"Time from a request's head to the end of its reply, by route.", "route", routeNames()...)}
	var err error
	if m.requests, err = meter.Int64Counter("tiercache_origin_requests",
		metric.WithDescription("Requests by route, method and status.")); err != nil {
		return nil, err
	}
	if m.bytes, err = meter.Int64Counter("tiercache_origin_body", metric.WithUnit("By"),
		metric.WithDescription("Bytes of bodies, by direction: in from writers, out to readers.")); err != nil {
		return nil, err
	}
	if s, ok := store.(measured); ok {
		return m, observe(meter, s)
	}
	return m, nil
}

func (m *metrics) record(ctx context.Context, r route, method string, w *reply, took time.Duration) {
	m.requests.Add(ctx, 1, metric.WithAttributes(attribute.String("route", r.String()),
		attribute.String("method", methodLabel(method)), attribute.Int("status", w.status)))
	m.duration.Record(int(r), took)
	m.bytes.Add(ctx, w.received, metric.WithAttributes(attribute.String("direction", "in")))
	m.bytes.Add(ctx, w.bytes, metric.WithAttributes(attribute.String("direction", "out")))
}

// methodLabel is the method, or "other", because a client may invent methods.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPost, http.MethodOptions:
		return method
	}
	return "other"
}

// observe registers instruments that ask the store when they are scraped.
func observe(meter metric.Meter, s measured) error {
	connections, err := meter.Int64ObservableGauge("tiercache_origin_db_connections",
		metric.WithDescription("Database connections by state; limit is the most there may be."))
	if err != nil {
		return err
	}
	waited, err := meter.Float64ObservableCounter("tiercache_origin_db_wait", metric.WithUnit("s"),
		metric.WithDescription("Time that calls have spent getting a connection."))
	if err != nil {
		return err
	}
	removed, err := meter.Int64ObservableCounter("tiercache_origin_removed",
		metric.WithDescription("What was removed from the database, by kind: versions, bodies and uploads that were given up or not needed."))
	if err != nil {
		return err
	}
	corrupt, err := meter.Int64ObservableCounter("tiercache_origin_corrupt_chunks",
		metric.WithDescription("Chunks that were missing or did not match their checksum when read."))
	if err != nil {
		return err
	}
	if err := observeLog(meter, s); err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		pool, counts := s.Pool(), s.Counts()
		state := func(name string) metric.ObserveOption { return metric.WithAttributes(attribute.String("state", name)) }
		kind := func(name string) metric.ObserveOption { return metric.WithAttributes(attribute.String("kind", name)) }
		o.ObserveInt64(connections, pool.Busy, state("busy"))
		o.ObserveInt64(connections, pool.Total-pool.Busy, state("idle"))
		o.ObserveInt64(connections, pool.Limit, state("limit"))
		o.ObserveFloat64(waited, pool.Waited.Seconds())
		o.ObserveInt64(removed, int64(counts.VersionsRemoved), kind("version"))
		o.ObserveInt64(removed, int64(counts.BodiesRemoved), kind("body"))
		o.ObserveInt64(removed, int64(counts.UploadsAbandoned), kind("upload"))
		o.ObserveInt64(corrupt, int64(counts.CorruptChunks))
		return nil
	}, connections, waited, removed, corrupt)
	return err
}

// observeLog registers what the store has to do with the control log.
func observeLog(meter metric.Meter, s measured) error {
	entries, err := meter.Int64ObservableCounter("tiercache_origin_sequenced_entries",
		metric.WithDescription("Entries that this origin has moved from the outbox into the control log."))
	if err != nil {
		return err
	}
	failures, err := meter.Int64ObservableCounter("tiercache_origin_sequence_failures",
		metric.WithDescription("Attempts to do so that failed; control does it then."))
	if err != nil {
		return err
	}
	repeated, err := meter.Int64ObservableCounter("tiercache_origin_lookups_repeated",
		metric.WithDescription("Lookups made again because a write of the object had no epoch yet."))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		counts := s.Counts()
		o.ObserveInt64(entries, int64(counts.Sequenced))
		o.ObserveInt64(failures, int64(counts.SequenceFailures))
		o.ObserveInt64(repeated, int64(counts.LookupsRepeated))
		return nil
	}, entries, failures, repeated)
	return err
}

// observePublished registers the messages that Publish has sent, or could not.
func (o *Origin) observePublished(meter metric.Meter) error {
	messages, err := meter.Int64ObservableCounter("tiercache_origin_log_messages",
		metric.WithDescription("Messages with entries of the control log for the bus, by result: sent or failed."))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, obs metric.Observer) error {
		obs.ObserveInt64(messages, int64(o.published.Load()), metric.WithAttributes(attribute.String("result", "sent")))
		obs.ObserveInt64(messages, int64(o.unpublished.Load()), metric.WithAttributes(attribute.String("result", "failed")))
		return nil
	}, messages)
	return err
}
