package audit

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Metrics are what has come of the audits of a process. It is safe for concurrent use.
type Metrics struct {
	mu struct {
		sync.Mutex
		judged     int64
		violations map[string]int64 // by kind
		failures   int64
		last       Report
		whole      time.Time // when the last audit of all nodes ended
	}
}

// NewMetrics returns metrics of no audit yet.
func NewMetrics() *Metrics {
	m := &Metrics{}
	m.mu.violations = map[string]int64{KindMissed: 0, KindBehind: 0, KindContent: 0}
	return m
}

// Violation counts one.
func (m *Metrics) Violation(v *Violation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.violations[v.Kind]++
}

// Done takes the report of an audit, or that there is none.
func (m *Metrics) Done(r *Report, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.mu.failures++
		return
	}
	m.mu.judged += r.Judged
	m.mu.last = *r
	if r.Whole {
		m.mu.whole = time.Now()
	}
}

// Observe registers the instruments.
func (m *Metrics) Observe(meter metric.Meter) error {
	judged, err1 := meter.Int64ObservableCounter("tiercache.audit.entries", metric.WithDescription("Responses in stores that were judged"))
	violations, err2 := meter.Int64ObservableCounter("tiercache.audit.violations", metric.WithDescription("Entries that a node would have served although it must not, by kind"))
	failures, err3 := meter.Int64ObservableCounter("tiercache.audit.failures", metric.WithDescription("Audits that could not be made at all"))
	unaudited, err4 := meter.Int64ObservableGauge("tiercache.audit.unaudited_nodes", metric.WithDescription("Nodes that the last audit could not go through"))
	current, err5 := meter.Float64ObservableGauge("tiercache.audit.current_ratio", metric.WithDescription("Share of what was judged in the last audit that is current; absent when nothing was"))
	whole, err6 := meter.Float64ObservableGauge("tiercache.audit.last_whole_timestamp", metric.WithUnit("s"), metric.WithDescription("Unix time at which the last audit of all nodes ended; 0: none yet"))
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return err
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		o.ObserveInt64(judged, m.mu.judged)
		for kind, n := range m.mu.violations {
			o.ObserveInt64(violations, n, metric.WithAttributes(attribute.String("kind", kind)))
		}
		o.ObserveInt64(failures, m.mu.failures)
		missing := int64(0)
		for i := range m.mu.last.Nodes {
			if m.mu.last.Nodes[i].Problem != "" {
				missing++
			}
		}
		o.ObserveInt64(unaudited, missing)
		if m.mu.last.Judged > 0 {
			o.ObserveFloat64(current, m.mu.last.Current)
		}
		at := 0.0
		if !m.mu.whole.IsZero() {
			at = float64(m.mu.whole.UnixMilli()) / 1000
		}
		o.ObserveFloat64(whole, at)
		return nil
	}, judged, violations, failures, unaudited, current, whole)
	return err
}
