package follower

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"tiercache/shared/telemetry"
)

// counters are the instruments that read a counter each.
func (s *Stats) counters() []struct {
	name, description string
	counter           *telemetry.Counter
} {
	return []struct {
		name, description string
		counter           *telemetry.Counter
	}{
		{"entries", "Entries of the control log that were applied", &s.Entries},
		{"gaps", "Messages of the control log that came before one that they build on", &s.Gaps},
		{"fetches", "Requests for what was missed", &s.Fetches},
		{"resets", "Views of the control log that were replaced by an image", &s.Resets},
		{"branches", "Views that were another branch of the control log, so that all that was stamped with them is dead", &s.Branches},
		{"refused", "Messages and answers that made no sense and were dropped", &s.Refused},
		{"reports", "Reports of what was applied, between renewals", &s.Reports},
		{"leases.lost", "Leases that ended before the next began", &s.LeasesLost},
		{"state.errors", "Failures to read or write the state file", &s.StateErrors},
	}
}

// Observe registers the instruments that read the follower's state and counters.
func (f *Follower) Observe(meter metric.Meter) error {
	for _, c := range f.stats.counters() {
		_, err := meter.Int64ObservableCounter("tiercache.controllog."+c.name, metric.WithDescription(c.description),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				o.Observe(int64(c.counter.Load()))
				return nil
			}))
		if err != nil {
			return fmt.Errorf("follower instruments: %w", err)
		}
	}
	if err := f.observeRenewals(meter); err != nil {
		return fmt.Errorf("follower instruments: %w", err)
	}
	for _, g := range f.gauges() {
		_, err := meter.Float64ObservableGauge("tiercache.controllog."+g.name, metric.WithDescription(g.description), metric.WithUnit(g.unit),
			metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
				o.Observe(g.read())
				return nil
			}))
		if err != nil {
			return fmt.Errorf("follower instruments: %w", err)
		}
	}
	return nil
}

func (f *Follower) observeRenewals(meter metric.Meter) error {
	by := func(result string) metric.ObserveOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("result", result)))
	}
	nats, http, failed := by("nats"), by("http"), by("failed")
	_, err := meter.Int64ObservableCounter("tiercache.controllog.renewals", metric.WithDescription("Renewals of the lease, by what answered"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(f.stats.RenewalsNATS.Load()), nats)
			o.Observe(int64(f.stats.RenewalsHTTP.Load()), http)
			o.Observe(int64(f.stats.RenewalsFailed.Load()), failed)
			return nil
		}))
	return err
}

type gauge struct {
	name, description, unit string
	read                    func() float64
}

func (f *Follower) gauges() []gauge {
	return []gauge{
		{"applied", "Epoch up to which the node has applied the control log", "", func() float64 { return float64(f.Applied()) }},
		{"lag", "Epochs between what the node has applied and the highest one that it has heard of", "", func() float64 {
			applied := f.Applied()
			return float64(max(f.known.Load(), applied) - applied)
		}},
		{"delay", "How long after an entry got its epoch, by PostgreSQL's clock, this node had applied it: of the last one; 0 before", "s", func() float64 {
			return max(0, time.Duration(f.delay.Load()).Seconds())
		}},
		{"live", "1 while the node holds a lease", "", func() float64 {
			if f.Live(f.now()) {
				return 1
			}
			return 0
		}},
		{"index.scopes", "Purged scopes that the index holds", "", func() float64 { return float64(f.scopes.Load()) }},
		{"index.horizon", "How far back the index answers exactly, at most as long as the node has run", "s", func() float64 {
			return f.horizon.since(time.Now(), f.Index().Oldest()).Seconds()
		}},
	}
}
