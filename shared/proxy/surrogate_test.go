package proxy_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

func obeysSurrogateControl(_ *proxy.Config, s *policy.Service) { s.SurrogateControl = true }

func TestSurrogateControl_IsObeyedWhereTheServiceSaysSo(t *testing.T) {
	handle := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Surrogate-Control", "max-age=60")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-None-Match") != "" {
			w.Header().Del("Surrogate-Control") // a 304 need not repeat it
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, r.Header.Get("Surrogate-Capability"))
	}
	s := newSystem(t, handle, obeysSurrogateControl)
	const capability = `tiercache="Surrogate/1.0"`
	s.get("/a", "Surrogate-Capability: evil=\"x\"").expect(t, 200, capability, "fwd=uri-miss")
	hit := s.get("/a")
	hit.expect(t, 200, capability, "hit; ttl=")
	if hit.header.Get("Surrogate-Control") != "" || hit.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", hit.header)
	}
	s.clock.advance(70 * time.Second)
	s.get("/a").expect(t, 200, capability, "fwd=stale; fwd-status=304; ttl=")
	s.get("/a").expect(t, 200, capability, "hit")

	other := newSystem(t, handle)
	other.get("/a", "Surrogate-Capability: evil=\"x\"").expect(t, 200, "", "detail=no-store")
}
