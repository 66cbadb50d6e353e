package telemetry

import (
	"context"
	"net/url"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceparentField is the request field of W3C Trace Context that names trace and parent.
const traceparentField = "traceparent"

// Inject hands the trace context of ctx to set, as the request fields traceparent and tracestate. It
// does nothing, and allocates nothing, unless ctx is inside a sampled span.
func Inject(ctx context.Context, set func(k, v string)) {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return
	}
	propagation.TraceContext{}.Inject(ctx, setter(set))
}

// Extract returns ctx with the trace context that the request fields carry; get returns a field, ""
// when absent. ctx is returned as it is when there is none or when it is malformed.
func Extract(ctx context.Context, get func(k string) string) context.Context {
	if get(traceparentField) == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, getter(get))
}

// setter is a carrier that can only be written.
type setter func(k, v string)

func (s setter) Get(string) string { return "" }
func (s setter) Set(k, v string)   { s(k, v) }
func (s setter) Keys() []string    { return nil }

// getter is a carrier that can only be read.
type getter func(k string) string

func (g getter) Get(k string) string { return g(k) }
func (g getter) Set(string, string)  {}
func (g getter) Keys() []string      { return nil }

// withTracesPath adds OTLP's default path to an endpoint without one. The endpoint was validated.
func withTracesPath(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || (u.Path != "" && u.Path != "/") {
		return endpoint
	}
	u.Path = "/v1/traces"
	return u.String()
}
