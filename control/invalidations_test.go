package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tiercache/control/client"
	"tiercache/shared/controllog"
	"tiercache/shared/follower"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/policy"
)

// withServices activates services for these hosts, each named after its first without dots.
func withServices(t *testing.T, hosts ...string) func(*Config) {
	tier := withTier(t)
	return func(c *Config) {
		tier(c)
		for _, h := range hosts {
			name, _, _ := strings.Cut(h, ".")
			c.Services = append(c.Services, policy.Service{Name: strings.ReplaceAll(name, "*", "any"), Hosts: []string{h}, Upstream: "http://site.example"})
		}
	}
}

func (n *controlNode) invalidate(t *testing.T, what controllog.Invalidation) (controllog.InvalidationReply, reply) {
	t.Helper()
	r := n.call(t, http.MethodPost, "/v1/node/invalidations", what)
	var answer controllog.InvalidationReply
	if r.StatusCode == 200 {
		if err := json.Unmarshal([]byte(r.text), &answer); err != nil || answer.Epoch == 0 || answer.ID == "" {
			t.Fatalf("%s: %v", r.text, err)
		}
	}
	return answer, r
}

func groupTag(t *testing.T, host, name string) string {
	t.Helper()
	tag, err := invalidation.GroupTag(host, name)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

func TestInvalidation_IsAPurgeWithReceiptsOfTheNodeThatAsked(t *testing.T) {
	n := start(t, withServices(t, "shop.example", "*"))
	edge := n.member("edge-1", "edge").join(t)
	stamp := edge.replica.Applied()
	news := groupTag(t, "shop.example", "the news")
	answer, r := n.invalidate(t, controllog.Invalidation{
		Node: "regional-1", Service: "shop", Groups: []string{news},
		URLs: []controllog.URL{{Host: "shop.example", Path: "/a"}, {Host: "shop.example", Path: "/b", Query: `?x="<>|{}&y=%zz`}},
	})
	if r.StatusCode != 200 {
		t.Fatalf("%d %s", r.StatusCode, r.text)
	}
	edge.catchUp(t)
	if edge.replica.Applied() != answer.Epoch {
		t.Errorf("applied %d, answered %d", edge.replica.Applied(), answer.Epoch)
	}
	for what, c := range map[string]struct {
		scope object.Scope
		want  invalidation.Verdict
	}{
		"path":              {invalidation.URLScope("shop.example", "/a", ""), invalidation.Dead},
		"query":             {invalidation.URLScope("shop.example", "/b", `?x="<>|{}&y=%zz`), invalidation.Dead},
		"group":             {invalidation.TagScope("shop", news), invalidation.Dead},
		"path of the query": {invalidation.URLScope("shop.example", "/b", ""), invalidation.Live},
		"group elsewhere":   {invalidation.TagScope("any", news), invalidation.Live},
		"group of anybody":  {invalidation.TagScope("", news), invalidation.Live},
		"host":              {invalidation.HostScope("shop.example"), invalidation.Live},
	} {
		if got := edge.replica.Index().Check(stamp, []object.Scope{c.scope}); got != c.want {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
	c := n.client(t, n.token)
	p, err := c.Purge(t.Context(), answer.ID)
	if err != nil || outcome(p) != "complete edge-1:applied" || p.By != "node:regional-1" || p.From != "127.0.0.1" || p.Mode != "hard" ||
		!slices.Contains(p.Request.URLs, "http://shop.example/a") || p.Request.Service != "shop" {
		t.Errorf("%+v, %v", p, err)
	}
	list, err := c.Activity(t.Context(), 0, 1)
	if err != nil || list.Activities[0].Who != "node:regional-1" || list.Activities[0].Action != "purge" || list.Activities[0].Subject != answer.ID {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestInvalidation_ReachesTheServicesOwnHostsAlone(t *testing.T) {
	n := start(t, withServices(t, "shop.example", "*.wiki.example", "*"))
	url := func(host, path string) []controllog.URL { return []controllog.URL{{Host: host, Path: path}} }
	groups := func(tags ...string) []string { return tags }
	before := n.sequencer.Applied()
	for what, c := range map[string]struct {
		ask    controllog.Invalidation
		status int
	}{
		"another's host":       {controllog.Invalidation{Service: "shop", URLs: url("a.wiki.example", "/")}, 403},
		"a host of *":          {controllog.Invalidation{Service: "shop", URLs: url("other.example", "/")}, 403},
		"* and another's host": {controllog.Invalidation{Service: "any", URLs: url("shop.example", "/")}, 403},
		"every host":           {controllog.Invalidation{Service: "any", URLs: url("*", "/")}, 403},
		"no such service":      {controllog.Invalidation{Service: "none", URLs: url("shop.example", "/")}, 403},
		"no service":           {controllog.Invalidation{URLs: url("shop.example", "/")}, 403},
		"one of two":           {controllog.Invalidation{Service: "shop", URLs: append(url("shop.example", "/"), url("a.wiki.example", "/")...)}, 403},
		"host by its path":     {controllog.Invalidation{Service: "shop", URLs: url("shop.example", ".evil.example/")}, 403},
		"a tag":                {controllog.Invalidation{Service: "shop", Groups: groups("product-17")}, 403},
		"another's group":      {controllog.Invalidation{Service: "shop", Groups: groups(groupTag(t, "a.wiki.example", "x"))}, 403},
		"a group of no host":   {controllog.Invalidation{Service: "shop", Groups: groups("cache-group:/x")}, 403},
		"any group of another": {controllog.Invalidation{Service: "shop", Groups: groups(invalidation.AnyGroupTag("other.example"))}, 403},
		"groups of no service": {controllog.Invalidation{Groups: groups(groupTag(t, "shop.example", "x"))}, 403},
		"nothing":              {controllog.Invalidation{Service: "shop"}, 422},
		"no path":              {controllog.Invalidation{Service: "shop", URLs: url("shop.example", "#x")}, 422},
		"no URL":               {controllog.Invalidation{Service: "shop", URLs: url("shop.example", "/a b")}, 422},
		"too many":             {controllog.Invalidation{Service: "shop", URLs: slices.Repeat(url("shop.example", "/"), controllog.MaxInvalidation+1)}, 413},
		"no node":              {controllog.Invalidation{Node: "a b", Service: "shop", URLs: url("shop.example", "/")}, 400},
	} {
		if c.ask.Node == "" {
			c.ask.Node = "edge-1"
		}
		_, r := n.invalidate(t, c.ask)
		if r.StatusCode != c.status {
			t.Errorf("%s: %d %s, want %d", what, r.StatusCode, r.text, c.status)
			continue
		}
		expectProblem(t, r, c.status)
	}
	for _, body := range []any{nil, "x", []int{1}, map[string]any{"urls": "x"}, strings.Repeat("x", controllog.MaxInvalidationSize)} {
		if r := n.call(t, http.MethodPost, "/v1/node/invalidations", body); r.StatusCode != 400 && r.StatusCode != 422 {
			t.Errorf("%.20v: %d %.100s", body, r.StatusCode, r.text)
		}
	}
	expectProblem(t, send(t, http.MethodPost, n.url+"/v1/node/invalidations", "Bearer "+n.token), 403)
	if now := n.sequencer.Applied(); now != before {
		t.Errorf("what was refused is in the log: %d, it was %d", now, before)
	}
	for what, ask := range map[string]controllog.Invalidation{
		"below a wildcard": {Service: "any", URLs: url("other.example", "/"), Groups: groups(groupTag(t, "x.example", "g"))},
		"a wildcard's":     {Service: "any", Groups: groups(invalidation.AnyGroupTag("other.example"))},
	} {
		ask.Node = "edge-1"
		if _, r := n.invalidate(t, ask); r.StatusCode != 200 {
			t.Errorf("%s: %d %s", what, r.StatusCode, r.text)
		}
	}
}

// What a follower sends is what the endpoint takes.
func TestInvalidation_FromAFollower(t *testing.T) {
	n := start(t, withServices(t, "shop.example"))
	ask := func(secret string) (uint64, error) {
		f, err := follower.New(follower.Config{Node: "edge-1", Tier: "edge", Region: "r1", ControlURL: n.url, TierToken: secret}, follower.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		var urls []controllog.URL
		for i := range controllog.MaxInvalidation {
			urls = append(urls, controllog.URL{Host: "shop.example", Path: fmt.Sprintf("/%d", i), Query: "?" + strings.Repeat("&", 200)})
		}
		return f.Invalidate(context.Background(), &controllog.Invalidation{Node: "edge-1", Service: "shop", URLs: urls})
	}
	epoch, err := ask(n.tier)
	if err != nil || epoch != n.sequencer.Applied() {
		t.Errorf("%d, %v", epoch, err)
	}
	if epoch, err := ask("another"); err == nil {
		t.Errorf("with the wrong secret: %d", epoch)
	}
	var p client.Purge
	testList, err := n.client(t, n.token).Purges(t.Context(), "", 10)
	if err != nil || len(testList.Purges) != 1 {
		t.Fatalf("%+v, %v", testList, err)
	}
	if p = testList.Purges[0]; p.Scopes != controllog.MaxInvalidation {
		t.Errorf("%+v", p)
	}
}
