package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// scope names the instruments and spans of this module.
const scope = "tiercache"

// Config is what an operator sets. The zero value means metrics without traces.
type Config struct {
	// OTLPEndpoint is the URL of an OTLP/HTTP trace receiver, such as http://127.0.0.1:4318; the path
	// /v1/traces is implied when the URL has none. Empty: no traces.
	OTLPEndpoint string `yaml:"otlp_endpoint" usage:"URL of an OTLP/HTTP trace receiver; empty sends no traces"`

	// SampleRatio is the share, 0 to 1, of requests without a traceparent that begin a trace.
	SampleRatio float64 `yaml:"trace_sample_ratio" usage:"share of requests (0 to 1) that begin a trace"`
}

// Validate reports a setting that New would refuse.
func (c Config) Validate() error {
	if !(c.SampleRatio >= 0 && c.SampleRatio <= 1) { // written so that NaN fails
		return fmt.Errorf("trace_sample_ratio %v is not between 0 and 1", c.SampleRatio)
	}
	if c.OTLPEndpoint == "" {
		return nil
	}
	u, err := url.Parse(c.OTLPEndpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Contains(u.Path, "@") {
		return errors.New("otlp_endpoint is not a URL such as http://127.0.0.1:4318") // not repeated: it may carry a password
	}
	return nil
}

// Resource says which node the metrics, traces and log lines are about.
type Resource struct {
	Tier    string // edge, regional, origin or control
	Node    string // unique in the fleet, such as edge-1
	Region  string
	Version string // of the binary
}

// Telemetry is the metrics and traces of one node. Several may live in one process.
type Telemetry struct {
	metrics *metrics
	traces  *traces // nil when there is no endpoint
	tracer  trace.Tracer
}

// New sets up metrics and, with an endpoint, traces. It connects to nobody: an unreachable endpoint
// costs dropped spans, never a start. The caller must call Shutdown.
func New(ctx context.Context, cfg Config, r Resource) (*Telemetry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	res := sdkResource(r)
	m, err := newMetrics(res)
	if err != nil {
		return nil, fmt.Errorf("telemetry: metrics: %w", err)
	}
	t := &Telemetry{metrics: m, tracer: disabledTracer{}}
	if cfg.OTLPEndpoint == "" {
		return t, nil
	}
	if t.traces, err = newTraces(ctx, cfg, r.Tier, res, t.Meter()); err != nil {
		return nil, errors.Join(fmt.Errorf("telemetry: traces: %w", err), m.shutdown(ctx))
	}
	t.tracer = t.traces.tracer
	return t, nil
}

// Meter makes the node's instruments.
func (t *Telemetry) Meter() metric.Meter { return t.metrics.meter }

// Tracer makes spans inside a sampled request: Start on a context without a sampled span returns the
// context unchanged and a span that does nothing, without allocating. It never begins a trace; that is
// StartRequest's decision.
func (t *Telemetry) Tracer() trace.Tracer { return t.tracer }

// Enabled reports whether traces go anywhere. Code that must build attributes for a span first may
// ask, and should ask the span's IsRecording instead when it has one.
func (t *Telemetry) Enabled() bool { return t.traces != nil }

// MetricsHandler serves the metrics in Prometheus' text format or OpenMetrics.
func (t *Telemetry) MetricsHandler() http.Handler { return t.metrics.handler }

// Shutdown sends what is queued and stops the background work. Call it last, with a deadline.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var traceErr error
	if t.traces != nil {
		traceErr = t.traces.provider.Shutdown(ctx)
	}
	return errors.Join(traceErr, t.metrics.shutdown(ctx))
}
