package telemetry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	exportTimeout = 5 * time.Second

	// Bounds of the span queue; a full queue drops spans instead of blocking requests.
	spanQueue = 2048
	spanBatch = 512
)

// traces is the pipeline of sampled spans.
type traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	ratio    float64 // of requests without a traceparent that begin a trace here
}

func newTraces(ctx context.Context, cfg Config, tier string, res *resource.Resource, meter metric.Meter) (*traces, error) {
	otlp, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(withTracesPath(cfg.OTLPEndpoint)),
		otlptracehttp.WithTimeout(exportTimeout),
	)
	if err != nil {
		return nil, err
	}
	exporter, err := countFailures(otlp, meter)
	if err != nil {
		return nil, fmt.Errorf("instruments: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(res),
		sdktrace.WithSampler(sdktrace.AlwaysSample()), // whoever gets this far was sampled: see tracer
		sdktrace.WithBatcher(exporter,
			sdktrace.WithMaxQueueSize(spanQueue),
			sdktrace.WithMaxExportBatchSize(spanBatch),
			sdktrace.WithExportTimeout(exportTimeout),
		),
	)
	t := &traces{provider: provider, tracer: sampledTracer{sdk: provider.Tracer(scope)}}
	if beginsTraces(tier) {
		t.ratio = cfg.SampleRatio
	}
	return t, nil
}

// beginsTraces reports whether a tier decides about requests that carry no traceparent. The tiers
// behind the edge do not: a request that the edge did not sample reaches them without a traceparent
// too, and would be sampled anew at each of them.
func beginsTraces(tier string) bool { return tier != "regional" && tier != "origin" }

// sample decides about one request that came without a traceparent.
func (t *traces) sample() bool {
	return t.ratio > 0 && rand.Float64() < t.ratio
}
