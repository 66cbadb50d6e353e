package proxy

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"tiercache/shared/httpcache"
	"tiercache/shared/telemetry"
)

// outcomes and reasons bound the closed enums of shared/httpcache.
const (
	outcomes = 16
	reasons  = 32
)

// Stats counts what a proxy does. Each counter only grows.
type Stats struct {
	requests [outcomes]telemetry.Counter     // by outcome
	unstored [reasons]telemetry.Counter      // responses that were not stored, by reason
	fleet    [fleetResults]telemetry.Counter // unsafe methods of services that invalidate the whole fleet, by what came of it

	Fills            telemetry.Counter // requests to the upstream on behalf of a flight
	Busy             telemetry.Counter // requests that found the service's cap on fills reached
	UpstreamErrors   telemetry.Counter // exchanges with the upstream that failed without a response
	StoreErrors      telemetry.Counter // calls of the store that failed; each counts as a miss
	Corrupt          telemetry.Counter // entries and segments whose checksum was wrong
	LostBodies       telemetry.Counter // hits whose body was no longer whole
	DigestMismatches telemetry.Counter // bodies that did not have the promised digest

	VariantsEvicted telemetry.Counter // variants that others of their URL pushed out

	Encoded      telemetry.Counter // responses that a content coding was put on
	EncodersBusy telemetry.Counter // responses that none was put on for want of an encoder

	Purged        telemetry.Counter // lookups whose entry a purge had killed
	Outrun        telemetry.Counter // responses that a purge overtook on their way
	Behind        telemetry.Counter // responses of a tier that missed a purge, so that it was asked again
	Disconnected  telemetry.Counter // requests that began while the node held no lease
	EpochsIgnored telemetry.Counter // clients' Tiercache-Min-Epoch above the log's head

	DirectivesIgnored telemetry.Counter // requests whose directives would have been honoured, over the limit
}

// count notes how the request was answered.
func (p *Proxy) count(r *request, o httpcache.Outcome) {
	r.outcome = o
	p.stats.requests[o].Add(1)
}

// OutcomeNames are the label values of Deps.Took, in the order of their numbers.
func OutcomeNames() []string {
	var names []string
	for o := httpcache.OutcomeNone; o.String() != "invalid"; o++ {
		names = append(names, o.String())
	}
	return names
}

func (s *Stats) notStored(r httpcache.Reason) { s.unstored[r].Add(1) }

// Requests is the number of requests with that outcome.
func (p *Proxy) Requests(o httpcache.Outcome) uint64 { return p.stats.requests[o].Load() }

// Stats gives access to the counters.
func (p *Proxy) Stats() *Stats { return &p.stats }

// Observe registers the instruments that read the counters.
func (p *Proxy) Observe(meter metric.Meter) error {
	requests, err1 := meter.Int64ObservableCounter("tiercache.requests", metric.WithDescription("Requests by outcome"))
	unstored, err2 := meter.Int64ObservableCounter("tiercache.responses.not_stored", metric.WithDescription("Responses that were not stored, by reason"))
	fills, err3 := meter.Int64ObservableGauge("tiercache.fills.in_flight", metric.WithDescription("Fills in flight, by service"))
	fleet, err4 := meter.Int64ObservableCounter("tiercache.invalidations", metric.WithDescription("Purges that control was asked for because of unsafe methods, by what came of it"))
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			return fmt.Errorf("proxy instruments: %w", err)
		}
	}
	byOutcome, byReason := attributes("outcome", outcomes, func(i int) string { return httpcache.Outcome(i).String() }),
		attributes("reason", reasons, func(i int) string { return httpcache.Reason(i).String() })
	byResult := attributes("result", int(fleetResults), func(i int) string { return fleetResult(i).String() })
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		observeAll(o, requests, p.stats.requests[:], byOutcome)
		observeAll(o, unstored, p.stats.unstored[:], byReason)
		observeAll(o, fleet, p.stats.fleet[:], byResult)
		p.limits.inFlight(func(service string, n int) {
			o.ObserveInt64(fills, int64(n), metric.WithAttributes(attribute.String("service", service)))
		})
		return nil
	}, requests, unstored, fills, fleet)
	if err != nil {
		return fmt.Errorf("proxy instruments: %w", err)
	}
	return p.observeTotals(meter)
}

// observeTotals registers the counters without labels.
func (p *Proxy) observeTotals(meter metric.Meter) error {
	totals := []struct {
		name, description string
		counter           *telemetry.Counter
	}{
		{"tiercache.fills", "Requests to the upstream on behalf of a flight", &p.stats.Fills},
		{"tiercache.fills.refused", "Requests that found the cap on fills reached", &p.stats.Busy},
		{"tiercache.upstream.errors", "Exchanges with the upstream that failed without a response", &p.stats.UpstreamErrors},
		{"tiercache.store.errors", "Store calls that failed and counted as misses", &p.stats.StoreErrors},
		{"tiercache.store.corrupt", "Entries and segments with a wrong checksum", &p.stats.Corrupt},
		{"tiercache.store.lost_bodies", "Hits whose body was no longer whole", &p.stats.LostBodies},
		{"tiercache.digest.mismatches", "Bodies without the promised digest", &p.stats.DigestMismatches},
		{"tiercache.encoded", "Responses that a content coding was put on", &p.stats.Encoded},
		{"tiercache.encoders.busy", "Responses that no content coding was put on for want of an encoder", &p.stats.EncodersBusy},
		{"tiercache.variants.evicted", "Variants that others of their URL pushed out", &p.stats.VariantsEvicted},
		{"tiercache.purged.lookups", "Lookups whose entry a purge had killed", &p.stats.Purged},
		{"tiercache.purged.outrun", "Responses that a purge overtook on their way", &p.stats.Outrun},
		{"tiercache.upstream.behind", "Responses of a tier that missed a purge, so that it was asked again", &p.stats.Behind},
		{"tiercache.disconnected.requests", "Requests that began while the node held no lease", &p.stats.Disconnected},
		{"tiercache.request_directives.ignored", "Requests whose directives would have been honoured, over the limit", &p.stats.DirectivesIgnored},
		{"tiercache.min_epoch.ignored", "Clients' Tiercache-Min-Epoch above the head of the control log", &p.stats.EpochsIgnored},
	}
	for _, t := range totals {
		_, err := meter.Int64ObservableCounter(t.name, metric.WithDescription(t.description),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				o.Observe(int64(t.counter.Load()))
				return nil
			}))
		if err != nil {
			return fmt.Errorf("proxy instruments: %w", err)
		}
	}
	return nil
}

// attributes prepares the label of each value of a closed enum; "" and "invalid" have none.
func attributes(label string, n int, name func(int) string) []metric.MeasurementOption {
	list := make([]metric.MeasurementOption, n)
	for i := range list {
		if s := name(i); s != "" && s != "invalid" && s != "none" {
			list[i] = metric.WithAttributes(attribute.String(label, s))
		}
	}
	return list
}

func observeAll(o metric.Observer, instrument metric.Int64Observable, counters []telemetry.Counter, labels []metric.MeasurementOption) {
	for i, label := range labels {
		if label != nil {
			o.ObserveInt64(instrument, int64(counters[i].Load()), label.(metric.ObserveOption))
		}
	}
}
