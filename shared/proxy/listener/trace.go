package listener

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"tiercache/shared/proxy"
	"tiercache/shared/telemetry"
)

// Traced gives each sampled request a server span of the tier. Without an endpoint it is next itself.
// A traceparent is taken from whoever sends one: where clients are not trusted with that, the sampler's
// ratio is what bounds the cost.
func Traced(t *telemetry.Telemetry, tier string, next Handler) Handler {
	if !t.Enabled() {
		return next
	}
	name := tier + " request"
	return func(ctx context.Context, x proxy.Exchange) {
		ctx, span := t.StartRequest(ctx, name, func(field string) string { return x.Header().Value(field) })
		defer span.End()
		if span.IsRecording() {
			span.SetAttributes(
				// A span outlives the request, whose strings alias the connection.
				attribute.String("http.request.method", strings.Clone(x.Method())), attribute.String("url.path", strings.Clone(x.Target())),
			)
		}
		next(ctx, x)
	}
}
