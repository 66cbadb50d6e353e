package follower_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"tiercache/shared/follower"
	"tiercache/shared/telemetry"
)

func TestObserve_NamesItsMetrics(t *testing.T) {
	t.Parallel()
	tel, err := telemetry.New(t.Context(), telemetry.Config{}, telemetry.Resource{Tier: "edge", Node: "edge-1"})
	if err != nil {
		t.Fatal(err)
	}
	c := newControl(t).start()
	c.add(purgeOf("a"))
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	if err := n.Observe(tel.Meter()); err != nil {
		t.Fatal(err)
	}
	e := c.purge("b")
	eventually(t, "applied", func() bool { return n.Applied() == e.Epoch })
	reply := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(reply, httptest.NewRequest("GET", "/metrics", nil))
	text := reply.Body.String()
	for _, want := range []string{
		"entries_total", "gaps_total", "fetches_total", "resets_total", "refused_total", "leases_lost_total",
		"state_errors_total", "renewals_total", "applied", "lag", "live", "index_scopes", "index_horizon_seconds",
	} {
		if !strings.Contains(text, "\ntiercache_controllog_"+want) {
			t.Errorf("no %s", want)
		}
	}
	if !strings.Contains(text, "tiercache_controllog_applied") || !strings.Contains(text, `result="nats"`) {
		t.Errorf("got %s", text)
	}
}
