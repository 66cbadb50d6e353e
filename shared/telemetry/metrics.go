package telemetry

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const (
	// cardinalityLimit bounds the label combinations of one instrument; what is above it is summed
	// under otel_metric_overflow="true".
	cardinalityLimit = 1000

	// scrapeTimeout and maxScrapes bound what scrapers can make the node do.
	scrapeTimeout = 10 * time.Second
	maxScrapes    = 4
)

// metrics is a meter whose state is read by its handler. Each has a registry of its own, so that
// several nodes fit in one process.
type metrics struct {
	provider  *sdkmetric.MeterProvider
	meter     metric.Meter
	durations *durationsProducer
	handler   http.Handler
}

func newMetrics(res *resource.Resource) (*metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	durations := new(durationsProducer)
	exporter, err := otelprom.New(
		otelprom.WithRegisterer(registry),
		otelprom.WithoutScopeInfo(),
		otelprom.WithProducer(durations),
	)
	if err != nil {
		return nil, err
	}
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(exporter),
		sdkmetric.WithResource(res),
		sdkmetric.WithCardinalityLimit(cardinalityLimit),
	)
	return &metrics{
		provider:  provider,
		meter:     provider.Meter(scope),
		durations: durations,
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{
			Timeout:             scrapeTimeout,
			MaxRequestsInFlight: maxScrapes,
			EnableOpenMetrics:   true,
		}),
	}, nil
}

func (m *metrics) shutdown(ctx context.Context) error { return m.provider.Shutdown(ctx) }

// sdkResource names the node as OpenTelemetry's semantic conventions do.
func sdkResource(r Resource) *resource.Resource {
	return resource.NewWithAttributes(semconv.SchemaURL,
		semconv.ServiceName("tiercache-"+r.Tier),
		semconv.ServiceInstanceID(r.Node),
		semconv.ServiceVersion(r.Version),
		attribute.String("tiercache.tier", r.Tier),
		attribute.String("tiercache.region", r.Region),
	)
}
