package policy_test

import (
	"strings"
	"testing"
	"time"

	"tiercache/shared/config"
	"tiercache/shared/policy"
)

func TestService_FromYAML(t *testing.T) {
	var doc struct {
		Services []policy.Service `yaml:"services"`
	}
	err := config.Decode("x.yaml", []byte(`
services:
  - name: shop
    hosts: ["*"]
    upstream: origin
    on_partition: strict
    upstream_lag: 2s
    rules:
      - match: {path: "/static/*"}
        ttl: 1h
      - ttl: 0s
        stale_if_error: 24h
`), &doc)
	if err != nil {
		t.Fatal(err)
	}
	s := doc.Services[0]
	if err := s.Validate(); err != nil || !s.Strict() || s.UpstreamLag != 2*time.Second || len(s.Rules) != 2 ||
		*s.Rules[0].TTL != time.Hour || *s.Rules[1].TTL != 0 || s.Rules[1].NegativeTTL != nil || *s.Rules[1].StaleIfError != 24*time.Hour {
		t.Errorf("%+v, %v", s, err)
	}
}

// Of a query that is neither of its forms the error says what these are.
func TestService_FromYAML_SaysWhatAQueryMayBe(t *testing.T) {
	for text, want := range map[string]string{
		"[id]":             "2:16: expected a single value or fields, such as `only: ...`",
		"some":             `2:16: "some": use all, none, sort, {only: [NAME, ...]} or {except: [NAME, ...]}`,
		"{only: id}":       "2:23: expected a list",
		"{ony: [id]}":      `2:17: unknown field "ony": did you mean only?`,
		"{only: [id]}":     "",
		"sort":             "",
		"{except: [a, b]}": "",
	} {
		var s policy.Service
		err := config.Decode("x.yaml", []byte("rules:\n- key: {query: "+text+"}\n"), &s)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
