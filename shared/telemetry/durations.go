package telemetry

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// durationBuckets is how many finite bounds a Durations has: 100 µs, doubling up to 13 s.
const durationBuckets = 18

// firstBound is the upper bound of the first bucket.
const firstBound = 100 * time.Microsecond

// Durations is a histogram of how long something took, split by one label whose values are fixed when
// it is made. Recording allocates nothing, takes no lock and is cheap enough for each request; the
// meter's own histograms look up their attributes each time. Names: NewDurations.
type Durations struct {
	name        string
	description string
	label       string
	start       time.Time
	series      []series // one a label value
}

// series is the histogram of one label value, spread over cells as in Counter.
type series struct {
	value string
	cells [counterCells]durationCell
}

type durationCell struct {
	buckets [durationBuckets + 1]atomic.Uint64 // the last one has no bound
	nanos   atomic.Uint64
	_       [96]byte // up to a multiple of two cache lines
}

// NewDurations makes a histogram that is served as NAME_seconds. values are the values that label can
// have; Record takes the index of one.
func (t *Telemetry) NewDurations(name, description, label string, values ...string) *Durations {
	d := &Durations{name: name, description: description, label: label, start: time.Now(), series: make([]series, len(values))}
	for i, v := range values {
		d.series[i].value = v
	}
	t.metrics.durations.add(d)
	return d
}

// Record adds one measurement for the label value with that index, such as a closed enum's number; an
// index out of range is the caller's bug and panics. Negative durations count as 0.
func (d *Durations) Record(value int, took time.Duration) {
	took = max(0, took)
	cell := &d.series[value].cells[shard()]
	cell.buckets[bucketOf(took)].Add(1)
	cell.nanos.Add(uint64(took))
}

// bucketOf finds the first bucket whose bound is not below took.
func bucketOf(took time.Duration) int {
	i := 0
	for bound := firstBound; i < durationBuckets && took > bound; bound *= 2 {
		i++
	}
	return i
}

// bounds lists the buckets' upper bounds in seconds.
func bounds() []float64 {
	b := make([]float64, durationBuckets)
	for i := range b {
		b[i] = float64(firstBound<<i) / float64(time.Second) // Seconds() would yield 1.6383999999999999
	}
	return b
}

func (d *Durations) collect(now time.Time) metricdata.Metrics {
	points := make([]metricdata.HistogramDataPoint[float64], 0, len(d.series))
	for i := range d.series {
		points = append(points, d.point(&d.series[i], now))
	}
	return metricdata.Metrics{
		Name: d.name, Description: d.description, Unit: "s",
		Data: metricdata.Histogram[float64]{DataPoints: points, Temporality: metricdata.CumulativeTemporality},
	}
}

func (d *Durations) point(s *series, now time.Time) metricdata.HistogramDataPoint[float64] {
	counts := make([]uint64, durationBuckets+1)
	var nanos, total uint64
	for c := range s.cells {
		for i := range counts {
			n := s.cells[c].buckets[i].Load()
			counts[i] += n
			total += n
		}
		nanos += s.cells[c].nanos.Load()
	}
	return metricdata.HistogramDataPoint[float64]{
		Attributes: attribute.NewSet(attribute.String(d.label, s.value)),
		StartTime:  d.start, Time: now,
		Count: total, Sum: float64(nanos) / float64(time.Second),
		Bounds: bounds(), BucketCounts: counts,
	}
}

// durationsProducer hands all Durations of a node to its exporter at each scrape.
type durationsProducer struct {
	mu struct {
		sync.Mutex
		all []*Durations
	}
}

func (p *durationsProducer) add(d *Durations) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, other := range p.mu.all {
		if other.name == d.name {
			panic(fmt.Sprintf("telemetry: two histograms named %s", d.name))
		}
	}
	p.mu.all = append(p.mu.all, d)
}

// Produce implements the SDK's Producer.
func (p *durationsProducer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	m := make([]metricdata.Metrics, 0, len(p.mu.all))
	for _, d := range p.mu.all {
		m = append(m, d.collect(now))
	}
	return []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: scope}, Metrics: m}}, nil
}
