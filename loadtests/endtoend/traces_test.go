package endtoend

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver takes spans by OTLP over HTTP.
type receiver struct {
	mu    sync.Mutex
	spans []span
}

// span is one span and the service that sent it.
type span struct {
	*trace.Span
	service string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	var batch collector.ExportTraceServiceRequest
	content, err := io.ReadAll(q.Body)
	if err == nil {
		err = proto.Unmarshal(content, &batch)
	}
	if err != nil || q.URL.Path != "/v1/traces" {
		http.Error(w, "no spans", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, group := range batch.GetResourceSpans() {
		service := ""
		for _, attribute := range group.GetResource().GetAttributes() {
			if attribute.GetKey() == "service.name" {
				service = attribute.GetValue().GetStringValue()
			}
		}
		for _, scope := range group.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				r.spans = append(r.spans, span{s, service})
			}
		}
	}
}

// server is the service's span for a request that it received.
func (r *receiver) server(service string) (span, bool) {
	for _, s := range r.spans {
		if s.service == service && s.GetKind() == trace.Span_SPAN_KIND_SERVER {
			return s, true
		}
	}
	return span{}, false
}

// ancestors are the services of the spans above s, the nearest first.
func (r *receiver) ancestors(s span) (services []string) {
	for parent := string(s.GetParentSpanId()); parent != ""; {
		above := ""
		for _, other := range r.spans {
			if string(other.GetSpanId()) == parent {
				services = append(services, other.service)
				above = string(other.GetParentSpanId())
			}
		}
		parent = above
	}
	return services
}

// TestTraces samples one request that misses everywhere: its spans of all three tiers are one trace.
func TestTraces(t *testing.T) {
	wholeRun(t)
	var spans receiver
	server := httptest.NewServer(&spans)
	defer server.Close()
	u := newUp(t)
	u.environ = []string{patientL2, "TIERCACHE_OTLP_ENDPOINT=" + server.URL, "TIERCACHE_TRACE_SAMPLE_RATIO=0", "TIERCACHE_TRUST_TRACEPARENT=true"}
	u.start(t)
	u.put(t, "traces.example.test/one.txt", []byte("one"))
	const traceID, sampled, unsampled = "0af7651916cd43dd8448eb211c80319c", "-01", "-00"
	id, err := hex.DecodeString(traceID)
	if err != nil {
		t.Fatal(err)
	}
	parent := "traceparent: 00-" + traceID + "-b7ad6b7169203331"
	host := "Host: traces.example.test"
	get(t, u.edge(1)+"/one.txt?quiet", host).is(t, http.StatusOK, "one")
	get(t, u.edge(1)+"/one.txt?unsampled", host, parent+unsampled).is(t, http.StatusOK, "one")
	get(t, u.edge(1)+"/one.txt", host, parent+sampled).is(t, http.StatusOK, "one")
	u.stop(t) // each node sends what it has

	spans.mu.Lock()
	defer spans.mu.Unlock()
	for _, s := range spans.spans {
		if string(s.GetTraceId()) != string(id) {
			t.Errorf("%s: %s belongs to another trace", s.service, s.GetName())
		}
		if strings.Contains(s.String(), "quiet") || strings.Contains(s.String(), "unsampled") {
			t.Errorf("%s: %v was not sampled", s.service, s.Span)
		}
	}
	for i, service := range []string{"tiercache-edge", "tiercache-regional", "tiercache-origin"} {
		s, ok := spans.server(service)
		if !ok {
			t.Fatalf("%s sent no span of a request; there are %d spans", service, len(spans.spans))
		}
		above := strings.Join(spans.ancestors(s), " ")
		if want := []string{"", "tiercache-edge", "tiercache-regional"}[i]; !strings.HasPrefix(above, want) || (i == 0) != (above == "") {
			t.Errorf("above the span of %s are spans of %q, want %q first", service, above, want)
		}
	}
}
