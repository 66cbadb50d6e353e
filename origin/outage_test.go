package origin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tiercache/origin"
	"tiercache/shared/testkit"
)

func TestOutage_AnswersSoonAndRecovers(t *testing.T) {
	server := testkit.PostgresProc(t)
	n := startNode(t, settings{url: server.URL})
	n.put("h/x", "x")
	server.Kill9()
	for what, request := range map[string]func() answer{
		"read":   func() answer { return n.get("h", "/x") },
		"write":  func() answer { return n.api("PUT", "/v1/objects/h/y", strings.NewReader("y")) },
		"delete": func() answer { return n.api("DELETE", "/v1/objects/h/x", nil) },
		"list":   func() answer { return n.api("GET", "/v1/objects/h", nil) },
	} {
		started := time.Now()
		a := request()
		status := 503
		if what == "read" {
			status = 504
		}
		a.want(t, what, status, "try again")
		if a.header.Get("Retry-After") == "" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: header %v", what, a.header)
		}
		if took := time.Since(started); took > 15*time.Second { // with what a busy machine adds
			t.Errorf("%s took %v", what, took)
		}
		if strings.Contains(a.body, "127.0.0.1") {
			t.Errorf("%s tells internals: %s", what, a.body)
		}
	}
	server.Restart()
	testkit.Eventually(t, 10*time.Second, func() error {
		if a := n.get("h", "/x"); a.status != 200 || a.body != "x" {
			return fmt.Errorf("%d %s", a.status, a.body)
		}
		return nil
	})
	n.put("h/y", "y")
}

func TestMetrics_AreBoundedAndCount(t *testing.T) {
	n := startNode(t, settings{})
	n.put("h/x", "12345")
	n.get("h", "/x")
	for i := range 20 {
		n.do(fmt.Sprintf("M%d", i), fmt.Sprintf("/%d", i), "h", nil)
	}
	m := metricsOf(t, n)
	for _, want := range []string{
		`tiercache_origin_requests_total{method="PUT",route="object",status="201"} 1`,
		`tiercache_origin_requests_total{method="GET",route="public",status="200"} 1`,
		`tiercache_origin_requests_total{method="other",route="public",status="405"} 20`,
		`tiercache_origin_body_bytes_total{direction="in"} 5`,
		`tiercache_origin_db_connections{state="limit"} 16`,
		`tiercache_origin_removed_total{kind="version"} 0`,
		`tiercache_origin_request_duration_seconds_count{route="public"} 21`,
		`tiercache_origin_request_duration_seconds_count{route="object"} 1`,
		`tiercache_origin_request_duration_seconds_bucket{route="listing",le="0.0001"} 0`, // requests take milliseconds
	} {
		if !strings.Contains(m, want) {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(m)
	}
}

func TestConfig_Validate(t *testing.T) {
	for _, c := range []struct {
		change func(*origin.Config)
		says   string
	}{
		{func(c *origin.Config) { c.Node = "" }, "node"},
		{func(c *origin.Config) { c.Listen = "7080" }, "listen"},
		{func(c *origin.Config) { c.Listen = "127.0.0.1:60000" }, "admin_listen"},
		{func(c *origin.Config) { c.PostgresURL = "" }, "postgres_url"},
		{func(c *origin.Config) { c.MaxObjectSize = 0 }, "max_object_size"},
		{func(c *origin.Config) { c.MaxObjectSize = 1 << 40 }, "max_object_size"},
		{func(c *origin.Config) { c.KeepVersions = 0 }, "keep_versions"},
		{func(c *origin.Config) { c.KeepAge = -1 }, "keep_age"},
		{func(c *origin.Config) { c.DrainTimeout = 0 }, "drain_timeout"},
		{func(c *origin.Config) { c.SampleRatio = 2 }, "trace_sample_ratio"},
	} {
		cfg := origin.DefaultConfig()
		cfg.PostgresURL = "postgres://127.0.0.1/x"
		c.change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("want an error about %s, got %v", c.says, err)
		}
	}
	cfg := origin.DefaultConfig()
	cfg.PostgresURL = "postgres://127.0.0.1/x"
	if err := cfg.Validate(); err != nil || cfg.AdminListen != "127.0.0.1:17080" {
		t.Errorf("the default: %v, admin %s", err, cfg.AdminListen)
	}
}
