package proxy

import (
	"context"

	"tiercache/shared/httpcache"
	"tiercache/shared/telemetry"
)

// injectTrace hands the trace on to the next tier, if the request is part of one.
func injectTrace(ctx context.Context, f *httpcache.Fields) {
	telemetry.Inject(ctx, func(name, value string) { f.Set(name, value) })
}
