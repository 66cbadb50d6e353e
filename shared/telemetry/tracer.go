package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// disabledTracer is the tracer of a node without an endpoint. The library's own no-op tracer stores
// its span in the context, which allocates.
type disabledTracer struct{ noop.Tracer }

func (disabledTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, noop.Span{}
}

// sampledTracer starts spans inside sampled requests only. The SDK would allocate a span for an
// unsampled one as well.
type sampledTracer struct {
	noop.Tracer // for the interface's private method
	sdk         trace.Tracer
}

func (t sampledTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, noop.Span{}
	}
	return t.sdk.Start(ctx, name, opts...)
}

// StartRequest starts the span of a request that a server has received; get returns a request field,
// "" when absent. A traceparent decides whether the request is sampled; without one, the edge and
// control sample by their ratio and the tiers behind them do not. Not sampled: ctx comes back
// unchanged with a span that does nothing, and nothing is allocated; an unsampled traceparent is then
// passed on only if the caller passes the field on.
//
// Who does not trust the sender passes a get that returns "": each sampled request costs.
func (t *Telemetry) StartRequest(ctx context.Context, name string, get func(field string) string) (context.Context, trace.Span) {
	if t.traces == nil {
		return ctx, noop.Span{}
	}
	if parent := get(traceparentField); parent != "" {
		extracted := Extract(ctx, get)
		if sc := trace.SpanContextFromContext(extracted); sc.IsValid() && sc.IsRemote() {
			if !sc.IsSampled() {
				return ctx, noop.Span{}
			}
			return t.startServer(extracted, name)
		}
	}
	if !t.traces.sample() {
		return ctx, noop.Span{}
	}
	return t.startServer(ctx, name)
}

func (t *Telemetry) startServer(ctx context.Context, name string) (context.Context, trace.Span) {
	return t.traces.provider.Tracer(scope).Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
}
