package control

import (
	"strings"
	"testing"

	"tiercache/control/client"
	"tiercache/shared/policy"
)

func TestSeed_FollowsTheSettingsUntilSomebodyActsByHand(t *testing.T) {
	document := policy.Service{Name: "shop", Hosts: []string{"*"}, Upstream: policy.UpstreamOrigin}
	n := start(t, func(c *Config) { c.Services = []policy.Service{document} })
	url := n.cfg.PostgresURL
	active := func(n *controlNode) client.Service {
		t.Helper()
		s, err := n.client(t, n.token).Service(t.Context(), "shop", "active")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	restart := func(upstream string) client.Service {
		t.Helper()
		if err := n.stop(); err != nil {
			t.Fatal(err)
		}
		n = start(t, func(c *Config) {
			c.PostgresURL = url
			changed := document
			changed.Upstream = upstream
			c.Services = []policy.Service{changed}
		})
		return active(n)
	}
	if s := active(n); s.Version != 1 || s.CreatedBy != seedName {
		t.Errorf("first start: %+v", s)
	}
	if s := restart(policy.UpstreamOrigin); s.Version != 1 {
		t.Errorf("the same settings: %+v", s)
	}
	if s := restart("http://site.example"); s.Version != 2 || !strings.Contains(s.Source, "site.example") {
		t.Errorf("other settings: %+v", s)
	}
	if _, err := n.client(t, n.token).ActivateService(t.Context(), "shop", 1, 0); err != nil {
		t.Fatal(err)
	}
	if s := restart("http://site.example"); s.Version != 1 {
		t.Errorf("the settings have not changed since somebody went back: %+v", s)
	}
	if _, err := n.client(t, n.token).PutService(t.Context(), "shop", []byte("hosts: [x]\nupstream: origin"), -1); err != nil {
		t.Fatal(err)
	}
	if _, err := n.client(t, n.token).ActivateService(t.Context(), "shop", 3, 0); err != nil {
		t.Fatal(err)
	}
	if s := restart("http://third.example"); s.Version != 3 {
		t.Errorf("somebody's own version: %+v", s)
	}
}
