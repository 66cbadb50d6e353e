package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// countingExporter counts failed exports and hides them from the SDK, whose only use for an error is
// to print it through a process-wide handler, once per batch.
type countingExporter struct {
	next    sdktrace.SpanExporter
	dropped metric.Int64Counter
}

func countFailures(next sdktrace.SpanExporter, meter metric.Meter) (sdktrace.SpanExporter, error) {
	dropped, err := meter.Int64Counter("tiercache_trace_spans_dropped",
		metric.WithDescription("Spans that could not be sent to the trace endpoint."))
	if err != nil {
		return nil, err
	}
	return &countingExporter{next: next, dropped: dropped}, nil
}

func (e *countingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := e.next.ExportSpans(ctx, spans); err != nil {
		e.dropped.Add(ctx, int64(len(spans)))
	}
	return nil
}

func (e *countingExporter) Shutdown(ctx context.Context) error { return e.next.Shutdown(ctx) }
