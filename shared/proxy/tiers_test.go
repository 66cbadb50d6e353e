package proxy_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
	"tiercache/shared/proxy/tier"
)

// toNode is an Upstream that asks one node.
type toNode struct {
	client *tier.Client
	addr   string
}

func (u toNode) Fetch(ctx context.Context, s *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	return u.client.Fetch(ctx, u.addr, s.ResponseTimeout(), r)
}

// twoTiers puts an edge in front of the regional node that newSystem makes, and points its client there.
func twoTiers(t *testing.T, token string, handle http.HandlerFunc) *system {
	t.Helper()
	return twoLoggedTiers(t, token, nil, nil, handle)
}

// twoLoggedTiers is twoTiers with a control log each, and options for the service on both.
func twoLoggedTiers(t *testing.T, token string, atEdge, atRegional proxy.ControlLog, handle http.HandlerFunc, options ...option) *system {
	t.Helper()
	options = append(options, func(c *proxy.Config, _ *policy.Service) {
		c.Node, c.FacesClients, c.TierToken = "regional-1", false, "secret"
	})
	s := newLogged(t, atRegional, handle, options...)
	service := policy.Service{Name: "site", Hosts: []string{"*"}, Upstream: policy.UpstreamOrigin, Timeout: 30 * time.Second}
	for _, o := range options {
		o(&proxy.Config{}, &service)
	}
	set, err := policy.NewSet([]policy.Service{service})
	if err != nil {
		t.Fatal(err)
	}
	client := tier.New(token)
	t.Cleanup(client.Close)
	s.edgeStore = newMemory()
	s.edge, err = proxy.New(proxy.Config{Node: "edge-1", FacesClients: true, TierToken: token}, proxy.Deps{
		Store: s.edgeStore, Policy: set, Log: slog.New(slog.DiscardHandler), Now: s.clock.now,
		Upstream: toNode{client, strings.TrimPrefix(s.url, "http://")}, Control: atEdge,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.url = listen(t, s.edge)
	return s
}

func TestTiers_EachSaysWhatItDid(t *testing.T) {
	s := twoTiers(t, "secret", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Surrogate-Key", "tag")
		cacheable("x")(w, r)
	})
	r := s.get("/")
	r.expect(t, 200, "x", "stored, edge-1; fwd=uri-miss")
	if r.header.Get("Surrogate-Key") != "" {
		t.Error("Surrogate-Key reached the client")
	}
	hit := s.get("/")
	hit.expect(t, 200, "x", "edge-1; hit")
	if n := len(hit.header.Values("Cache-Status")); n != 1 {
		t.Errorf("a hit at the edge has %d members of Cache-Status", n)
	}
}

func TestTiers_ChunkedBodiesAreSealed(t *testing.T) {
	body := randomBody(700_000)
	s := twoTiers(t, "secret", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		for part := body; len(part) > 0; {
			n := min(len(part), 100_000)
			w.Write(part[:n])
			http.NewResponseController(w).Flush()
			part = part[n:]
		}
		if strings.HasPrefix(r.URL.Path, "/cut") {
			panic(http.ErrAbortHandler)
		}
	})
	s.get("/whole").expect(t, 200, string(body), "edge-1; fwd=uri-miss")
	s.get("/whole").expect(t, 200, string(body), "edge-1; hit")
	for range 2 {
		if r := s.get("/cut"); r.err == nil {
			t.Fatalf("%d bytes passed off as whole: %v", len(r.body), r.header)
		}
	}
}

func TestTiers_UnsealedForStrangers(t *testing.T) {
	s := twoTiers(t, "wrong", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, "some")
		http.NewResponseController(w).Flush()
	})
	if r := s.get("/"); r.err == nil {
		t.Fatalf("a body without seal was passed off as whole: %q", r.body)
	}
}

func TestTiers_OnlyTheClientFacingTierServesStale(t *testing.T) {
	var version atomic.Int64
	s := twoTiers(t, "secret", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=10, stale-while-revalidate=100")
		fmt.Fprint(w, "v", version.Add(1))
	})
	s.get("/").expect(t, 200, "v1", "fwd=uri-miss")
	s.clock.advance(20 * time.Second)
	s.get("/").expect(t, 200, "v1", "edge-1; hit; ttl=-")
	// The refresh brings the newest response, not one that the regional node found stale.
	waitFor(t, func() bool { return s.get("/").body == "v2" })
}

func TestTiers_HeadLeadsARevalidation(t *testing.T) {
	s := twoTiers(t, "secret", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=10")
		fmt.Fprint(w, "body")
		http.NewResponseController(w).Flush()
	})
	s.get("/").expect(t, 200, "body", "fwd=uri-miss")
	s.clock.advance(20 * time.Second)
	s.do("HEAD", "/").expect(t, 200, "", "edge-1; fwd=stale")
	waitFor(t, func() bool { return strings.Contains(s.get("/").header.Get("Cache-Status"), "edge-1; hit") })
}

func TestTiers_ForwardedForIsBelievedFromTiersOnly(t *testing.T) {
	for token, want := range map[string]string{"secret": "127.0.0.1", "": "127.0.0.1"} {
		seen := make(chan string, 1)
		s := twoTiers(t, token, func(w http.ResponseWriter, r *http.Request) {
			seen <- r.Header.Get("X-Forwarded-For") + "|" + r.Header.Get("Tiercache-Tier")
			cacheable("x")(w, r)
		})
		s.get("/", "X-Forwarded-For: 6.6.6.6", "Tiercache-Tier: guess")
		if got := <-seen; got != want+"|" {
			t.Errorf("token %q: upstream saw %q", token, got)
		}
	}
}

func TestTiers_PingIsAnsweredByTheNodeItself(t *testing.T) {
	s := newSystem(t, cacheable("x"))
	client := tier.New("")
	t.Cleanup(client.Close)
	if err := client.Ping(t.Context(), strings.TrimPrefix(s.url, "http://"), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if n := s.fetched.Load(); n != 0 {
		t.Errorf("a ping went on to the upstream %d times", n)
	}
}
