package policy_test

import (
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
