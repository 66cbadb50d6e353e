package proxy

import (
	"context"

	"tiercache/shared/httpcache"
	"tiercache/shared/telemetry"
)

// TracedField is sent between tiers with a traceparent that a tier made. A client's own traceparent is
// passed on untouched, for the upstream's sake, and must not make the tiers behind sample.
const TracedField = "Tiercache-Traced"

// injectTrace hands the trace on to the next tier, if the request is part of one.
func injectTrace(ctx context.Context, f *httpcache.Fields) {
	telemetry.Inject(ctx, func(name, value string) {
		f.Set(name, value)
		f.Set(TracedField, "1")
	})
}
