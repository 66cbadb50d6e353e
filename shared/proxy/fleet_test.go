package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

func fleetwide(_ *proxy.Config, s *policy.Service) { s.Invalidate = policy.InvalidateFleet }

// fleetNode is a node of the service "site", which may ask control for purges.
func fleetNode(t *testing.T, cfg proxy.Config, deps proxy.Deps, options ...option) *proxy.Proxy {
	t.Helper()
	service := policy.Service{Name: "site", Hosts: []string{"*"}, Upstream: "http://site.example"}
	for _, o := range options {
		o(&cfg, &service)
	}
	set, err := policy.NewSet([]policy.Service{service})
	if err != nil {
		t.Fatal(err)
	}
	cfg.TierToken, deps.Store, deps.Policy, deps.Log = "secret", newMemory(), set, slog.New(slog.DiscardHandler)
	p, err := proxy.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newFleet is newPair whose nodes may ask control for purges.
func newFleet(t *testing.T, atEdge, atRegional proxy.ControlLog, upstream proxy.Upstream, control proxy.Purger, options ...option) *pair {
	t.Helper()
	regional := fleetNode(t, proxy.Config{Node: "regional-1"}, proxy.Deps{Upstream: upstream, Control: atRegional, Purger: control}, options...)
	edge := fleetNode(t, proxy.Config{Node: "edge-1", FacesClients: true}, proxy.Deps{Upstream: toProxy{regional}, Control: atEdge, Purger: control}, options...)
	return &pair{edge: edge, regional: regional}
}

// purgeTo is a Purger that purges in a ledger, after a while.
type purgeTo struct {
	log   *ledger
	takes time.Duration
	err   error
	asked []string
}

func (p *purgeTo) Purge(ctx context.Context, service string, urls []controllog.URL, groups []string) (uint64, error) {
	names := []string{service + ":"}
	for _, u := range urls {
		names = append(names, u.Host+u.Path+u.Query)
	}
	p.asked = append(p.asked, strings.Join(append(names, groups...), " "))
	select {
	case <-time.After(p.takes):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if p.err != nil {
		return 0, p.err
	}
	_, scopes, err := (&controllog.Purge{Service: service, URLs: urls, Tags: groups}).Scopes()
	if err != nil {
		return 0, err
	}
	return p.log.purge(invalidation.Hard, scopes...), nil
}

// post sends a request with a method to p, and returns the reply and how long it took.
func post(ctx context.Context, p *proxy.Proxy, method, target string) (reply, time.Duration) {
	began := time.Now()
	c := &call{method: method, target: target}
	p.Serve(ctx, c)
	took := time.Since(began)
	body, err := io.ReadAll(c.body)
	_ = c.body.Close()
	r := reply{status: c.status, header: http.Header{}, body: string(body), err: err}
	for _, f := range c.fields {
		r.header.Add(f.Name, f.Value)
	}
	return r, took
}

// written answers unsafe methods with these fields, and GET with a version that the test sets.
func written(version *atomic.Int64, status int, fields ...httpcache.Field) site {
	return func(r *proxy.Request) (int, httpcache.Fields, string) {
		if r.Method == http.MethodGet {
			header := httpcache.Fields{{Name: "Cache-Control", Value: "max-age=600"}, {Name: "Cache-Groups", Value: `"all"`}}
			return 200, header, fmt.Sprint("v", version.Load())
		}
		return status, append(httpcache.Fields{{Name: "Cache-Control", Value: "no-store"}}, fields...), ""
	}
}

func TestFleet_WhatIsAskedOfControl(t *testing.T) {
	for name, c := range map[string]struct {
		method, target string
		status         int
		fields         httpcache.Fields
		asked          string
	}{
		"post":        {"POST", "/a", 200, nil, "site: site.example/a"},
		"query":       {"DELETE", "/a?x=1", 204, nil, "site: site.example/a?x=1"},
		"named":       {"PUT", "/a", 201, httpcache.Fields{{Name: "Location", Value: "/b?y"}, {Name: "Content-Location", Value: "//other.example/c"}}, "site: site.example/a site.example/b?y"},
		"groups":      {"PATCH", "/a", 303, httpcache.Fields{{Name: "Cache-Group-Invalidation", Value: `"x y", "Z"`}}, "site: site.example/a cache-group:site.example/x%20y cache-group:site.example/Z"},
		"many groups": {"POST", "/a", 200, httpcache.Fields{{Name: "Cache-Group-Invalidation", Value: strings.Join(numbered(129), ", ")}}, "site: site.example/a cache-group:site.example"},
		"no name":     {"POST", "/a?\xff", 200, httpcache.Fields{{Name: "Location", Value: "/b?c d"}}, "site: site.example/a site.example/b"},
		"unknown":     {"M-SEARCH", "/a", 200, nil, "site: site.example/a"},
		"error":       {"POST", "/a", 409, httpcache.Fields{{Name: "Cache-Group-Invalidation", Value: `"x"`}}, ""},
		"broken":      {"POST", "/a", 500, nil, ""},
		"options":     {"OPTIONS", "/a", 200, httpcache.Fields{{Name: "Cache-Group-Invalidation", Value: `"x"`}}, ""},
		"unnameable":  {"POST", "/\xff", 200, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			control := &purgeTo{log: l}
			p := newFleet(t, l, l, written(new(atomic.Int64), c.status, c.fields...), control, fleetwide)
			r, _ := post(t.Context(), p.edge, c.method, c.target)
			if got := strings.Join(control.asked, " and "); got != c.asked || r.status != c.status {
				t.Errorf("%d, asked %q, want %q", r.status, got, c.asked)
			}
			if failed := strings.Contains(r.header.Get("Cache-Status")+strings.Join(r.header.Values("Cache-Status"), ""), "purge-failed"); failed != (name == "unnameable") {
				t.Errorf("%q", r.header.Values("Cache-Status"))
			}
		})
	}
}

func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%q", fmt.Sprint(i)))
	}
	return names
}

// The node that talks to the site asks, once; other edges forget, and the reply has the epoch by which to read.
func TestFleet_OtherEdgesForget(t *testing.T) {
	var version atomic.Int64
	l := newLedger() // of all nodes, which have applied what is in it
	control := &purgeTo{log: l}
	site := written(&version, 200, httpcache.Field{Name: "Cache-Group-Invalidation", Value: `"all"`})
	one := newFleet(t, l, l, site, control, fleetwide)
	two := fleetNode(t, proxy.Config{Node: "edge-2", FacesClients: true}, proxy.Deps{Upstream: toProxy{one.regional}, Control: l, Purger: control}, fleetwide)
	for _, target := range []string{"/a", "/member"} {
		for _, edge := range []*proxy.Proxy{one.edge, two} {
			ask(t.Context(), edge, target).expect(t, 200, "v0", "stored")
			ask(t.Context(), edge, target).expect(t, 200, "v0", "hit")
		}
	}
	version.Add(1)
	r, _ := post(t.Context(), one.edge, "POST", "/a")
	if r.epoch() != l.Applied() || len(control.asked) != 1 {
		t.Errorf("epoch %d of %d, asked %q", r.epoch(), l.Applied(), control.asked)
	}
	for _, target := range []string{"/a", "/member"} {
		for _, edge := range []*proxy.Proxy{two, one.edge} {
			ask(t.Context(), edge, target).expect(t, 200, "v1", "fwd=uri-miss")
		}
	}
	if n := one.regional.Stats().Invalidations("purged"); n != 1 {
		t.Errorf("%d were counted", n)
	}
}

func TestFleet_IsAnOption(t *testing.T) {
	l := newLedger()
	control := &purgeTo{log: l}
	p := newFleet(t, l, l, written(new(atomic.Int64), 200), control)
	if post(t.Context(), p.edge, "POST", "/a"); len(control.asked) != 0 {
		t.Errorf("asked %q", control.asked)
	}
}

// Whatever becomes of the purge, the reply comes in time, this node has forgotten, and Cache-Status says so.
func TestFleet_ControlDoesNotAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		control *purgeTo
		took    time.Duration
		detail  string
	}{
		"in time":     {&purgeTo{takes: 200 * time.Millisecond}, 200 * time.Millisecond, ""},
		"late":        {&purgeTo{takes: time.Second}, 250 * time.Millisecond, "; detail=purge-late"},
		"limited":     {&purgeTo{err: fmt.Errorf("%w", proxy.ErrPurgeLimit)}, 0, "; detail=purge-limited"},
		"unreachable": {&purgeTo{err: errors.New("connection refused")}, 0, "; detail=purge-failed"},
		"none":        {nil, 0, "; detail=purge-failed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var version atomic.Int64
				l := newLedger()
				var control proxy.Purger
				if c.control != nil {
					c.control.log, control = l, c.control
				}
				p := newFleet(t, l, l, written(&version, 200), control, fleetwide)
				ask(t.Context(), p.edge, "/a").expect(t, 200, "v0", "stored")
				version.Add(1)
				r, took := post(t.Context(), p.edge, "POST", "/a")
				if status := r.header.Values("Cache-Status"); r.status != 200 || took != c.took || len(status) != 2 || status[0] != "regional-1; fwd=method; fwd-status=200"+c.detail {
					t.Errorf("%d after %v: %q", r.status, took, status)
				}
				ask(t.Context(), p.edge, "/a").expect(t, 200, "v1", "fwd=uri-miss")
				what := strings.TrimPrefix(c.detail, "; detail=purge-")
				if what == "" {
					what = "purged"
				}
				if n := p.regional.Stats().Invalidations(what); n != 1 {
					t.Errorf("%d were counted as %s", n, what)
				}
			})
		})
	}
}

// The reply's first byte waits until this node has applied the purge: what a group has in it is gone here too.
func TestFleet_TheNodesOfTheWayHaveAppliedIt(t *testing.T) {
	var version atomic.Int64
	far, edge := newLedger(), newLedger()
	control := &purgeTo{log: far}
	p := newFleet(t, edge, far, written(&version, 200, httpcache.Field{Name: "Cache-Group-Invalidation", Value: `"all"`}), control, fleetwide)
	ask(t.Context(), p.edge, "/member").expect(t, 200, "v0", "stored")
	version.Add(1)
	tag, err := invalidation.GroupTag("site.example", "all")
	if err != nil {
		t.Fatal(err)
	}
	edge.behind = []func(){func() {
		edge.purge(invalidation.Hard, invalidation.URLScope("site.example", "/a", ""), invalidation.TagScope("site", tag))
	}}
	if r, _ := post(t.Context(), p.edge, "POST", "/a"); r.epoch() != far.Applied() {
		t.Errorf("epoch %d", r.epoch())
	}
	if edge.Applied() != far.Applied() {
		t.Fatal("the edge has replied before it had applied the purge")
	}
	ask(t.Context(), p.edge, "/member").expect(t, 200, "v1", "fwd=uri-miss")
}

// What a POST yields for its own URI is not kept: the purge that it causes is of that URI.
func TestFleet_AnEpochOfAnotherWriteVouchesForNothing(t *testing.T) {
	l := newLedger()
	control := &purgeTo{log: l}
	p := newFleet(t, l, l, site(func(r *proxy.Request) (int, httpcache.Fields, string) {
		header := httpcache.Fields{{Name: "Cache-Control", Value: "max-age=600"}, {Name: "Content-Location", Value: "/a"}}
		return 200, header, r.Method
	}), control, fleetwide)
	post(t.Context(), p.edge, "POST", "/a")
	ask(t.Context(), p.edge, "/a").expect(t, 200, "GET", "fwd=uri-miss")
}
