package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func open(t testing.TB, cfg Config, tier string) *Telemetry {
	t.Helper()
	tel, err := New(t.Context(), cfg, Resource{Tier: tier, Node: tier + "-1", Region: "r1", Version: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = tel.Shutdown(ctx) // a second call after the test's own is an error of the SDK
	})
	return tel
}

func scrape(t *testing.T, tel *Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// receiver is a trace endpoint that keeps the spans it gets.
func receiver(t *testing.T) (endpoint string, spans chan *tracepb.ResourceSpans) {
	t.Helper()
	spans = make(chan *tracepb.ResourceSpans, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &req) != nil {
			t.Errorf("bad export to %s", r.URL.Path)
		}
		for _, rs := range req.ResourceSpans {
			spans <- rs
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(srv.Close)
	return srv.URL, spans
}

func none(string) string { return "" }

func TestMetrics_AreServedWithTheNodesResource(t *testing.T) {
	tel := open(t, Config{}, "edge")
	var hits Counter
	_, err := tel.Meter().Int64ObservableCounter("tiercache_hits",
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(hits.Load()), metric.WithAttributes(attribute.String("tier", "l1")))
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	hits.Add(42)
	text := scrape(t, tel)
	for _, want := range []string{
		`tiercache_hits_total{tier="l1"} 42`, "go_goroutines ", "process_resident_memory_bytes ",
		`service_name="tiercache-edge"`, `service_instance_id="edge-1"`, `tiercache_region="r1"`, `service_version="v1.2.3"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
}

func TestMetrics_TwoNodesInOneProcessDoNotMix(t *testing.T) {
	a, b := open(t, Config{}, "edge"), open(t, Config{}, "edge")
	c, err := a.Meter().Int64Counter("tiercache_only_a")
	if err != nil {
		t.Fatal(err)
	}
	c.Add(t.Context(), 1)
	if strings.Contains(scrape(t, b), "only_a") || !strings.Contains(scrape(t, a), "only_a") {
		t.Error("metrics are in the wrong node")
	}
}

func TestMetrics_LabelCombinationsAreBounded(t *testing.T) {
	tel := open(t, Config{}, "edge")
	c, err := tel.Meter().Int64Counter("tiercache_many")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * cardinalityLimit {
		c.Add(t.Context(), 1, metric.WithAttributes(attribute.Int("i", i)))
	}
	if n := strings.Count(scrape(t, tel), "\ntiercache_many_total{"); n > cardinalityLimit {
		t.Errorf("%d series", n)
	}
}

func TestTraces_OneTraceAcrossTiers(t *testing.T) {
	endpoint, spans := receiver(t)
	edge := open(t, Config{OTLPEndpoint: endpoint, SampleRatio: 1}, "edge")
	regional := open(t, Config{OTLPEndpoint: endpoint}, "regional")

	ctx, root := edge.StartRequest(t.Context(), "GET", none)
	ctx, child := edge.Tracer().Start(ctx, "fill")
	fields := http.Header{}
	Inject(ctx, fields.Set)
	if fields.Get("traceparent") == "" {
		t.Fatal("no traceparent")
	}
	_, remote := regional.StartRequest(t.Context(), "GET", fields.Get)
	if !remote.IsRecording() {
		t.Fatal("the next tier did not follow")
	}
	remote.End()
	child.End()
	root.End()
	if err := regional.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := edge.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := root.SpanContext().TraceID()
	for range 2 {
		rs := <-spans
		for _, span := range rs.ScopeSpans[0].Spans {
			if !bytes.Equal(span.TraceId, id[:]) {
				t.Errorf("span %s is in another trace", span.Name)
			}
		}
	}
}

func TestTraces_WhoBeginsOne(t *testing.T) {
	const (
		sampled   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	)
	cases := map[string]struct {
		tier, parent string
		ratio        float64
		want         bool
	}{
		"edge, all":                     {"edge", "", 1, true},
		"edge, none":                    {"edge", "", 0, false},
		"edge, sampled parent":          {"edge", sampled, 0, true},
		"edge, unsampled parent":        {"edge", unsampled, 1, false},
		"edge, malformed parent":        {"edge", "00-xyz", 1, true},
		"regional begins none":          {"regional", "", 1, false},
		"origin follows":                {"origin", sampled, 0, true},
		"control begins like an edge":   {"control", "", 1, true},
		"malformed parent, not sampled": {"regional", "nonsense", 1, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tel := open(t, Config{OTLPEndpoint: "http://127.0.0.1:1", SampleRatio: c.ratio}, c.tier)
			ctx, span := tel.StartRequest(t.Context(), "GET", func(k string) string {
				if k == "traceparent" {
					return c.parent
				}
				return ""
			})
			if span.IsRecording() != c.want {
				t.Errorf("recording: %v", span.IsRecording())
			}
			if _, child := tel.Tracer().Start(ctx, "child"); child.IsRecording() != c.want {
				t.Errorf("child recording: %v", child.IsRecording())
			}
		})
	}
}

func TestTraces_UnsampledAndDisabledAllocateNothing(t *testing.T) {
	for name, cfg := range map[string]Config{
		"disabled":  {SampleRatio: 1},
		"unsampled": {OTLPEndpoint: "http://127.0.0.1:1"},
		"rare":      {OTLPEndpoint: "http://127.0.0.1:1", SampleRatio: 1e-12},
	} {
		tel := open(t, cfg, "edge")
		tracer, set := tel.Tracer(), http.Header{}.Set
		ctx := context.Background()
		n := testing.AllocsPerRun(1000, func() {
			ctx, root := tel.StartRequest(ctx, "GET", none)
			ctx, span := tracer.Start(ctx, "fill")
			Inject(ctx, set)
			ctx = Extract(ctx, none)
			span.End()
			root.End()
			if trace.SpanFromContext(ctx).IsRecording() {
				t.Error("recording")
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestTraces_AnUnreachableEndpointCostsSpansOnly(t *testing.T) {
	tel := open(t, Config{OTLPEndpoint: "http://127.0.0.1:1", SampleRatio: 1}, "edge")
	if !tel.Enabled() {
		t.Error("not enabled")
	}
	_, span := tel.StartRequest(t.Context(), "GET", none)
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_ = tel.traces.provider.ForceFlush(ctx) // what it returns depends on how the connection fails
	eventually(t, func() bool { return strings.Contains(scrape(t, tel), "tiercache_trace_spans_dropped_total 1") })
}

// eventually polls without a fixed wait.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("did not happen")
		}
	}
}

func TestConfig_Validate(t *testing.T) {
	for _, bad := range []Config{
		{SampleRatio: -0.1}, {SampleRatio: 1.1}, {OTLPEndpoint: "127.0.0.1:4318"}, {OTLPEndpoint: "ftp://user:hunter2@x"}, {OTLPEndpoint: "http://"},
	} {
		_, err := New(t.Context(), bad, Resource{})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
}

func TestNewLogger(t *testing.T) {
	r := Resource{Tier: "edge", Node: "edge-1"}
	var b bytes.Buffer
	log, err := NewLogger(&b, "warn", "json", r)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud", "key", "value")
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, b.String())
	}
	if line["msg"] != "loud" || line["tier"] != "edge" || line["node"] != "edge-1" || line["key"] != "value" {
		t.Errorf("got %v", line)
	}
	for _, bad := range [][2]string{{"loud", "text"}, {"info", "xml"}, {"", "text"}} {
		if _, err := NewLogger(&b, bad[0], bad[1], r); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
