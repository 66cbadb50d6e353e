package listener

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"tiercache/shared/proxy"
	"tiercache/shared/telemetry"
)

// Traced gives each sampled request a server span of the tier. Without an endpoint it is next itself.
// A traceparent decides about sampling only where believe says so of the request: a sampled request
// costs, so a stranger must not choose.
func Traced(t *telemetry.Telemetry, tier string, believe func(proxy.Exchange) bool, next Handler) Handler {
	if !t.Enabled() {
		return next
	}
	name := tier + " request"
	return func(ctx context.Context, x proxy.Exchange) {
		believed := believe(x)
		ctx, span := t.StartRequest(ctx, name, func(field string) string {
			if !believed {
				return ""
			}
			return x.Header().Value(field)
		})
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
