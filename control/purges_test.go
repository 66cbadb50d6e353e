package control

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/testkit"
	"tiercache/shared/token"
)

// outcome writes a purge in short: "pending edge-1:applied edge-2:pending".
func outcome(p client.Purge) string {
	s := p.State
	for _, n := range p.Nodes {
		s += " " + n.Node + ":" + n.State
	}
	return s
}

// tagged is a purge of a tag.
func tagged(tag string) client.PurgeRequest { return client.PurgeRequest{Tags: []string{tag}} }

func mustPurge(t *testing.T, c *client.Client, r client.PurgeRequest, key string) client.Purge {
	t.Helper()
	p, err := c.CreatePurge(t.Context(), r, key)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	return p
}

func TestPurge_IsPendingUntilAllHaveAppliedIt(t *testing.T) {
	n := start(t, withTier(t))
	c := n.client(t, n.token)
	one, two := n.member("edge-1", "edge").join(t), n.member("regional-1", "regional").join(t)

	p := mustPurge(t, c, tagged("a"), "")
	if got := outcome(p); got != "pending regional-1:pending edge-1:pending" || p.Epoch == 0 || p.By != "admin" || p.From != "127.0.0.1" || p.Mode != "hard" || p.Scopes != 1 || p.Request.Tags[0] != "a" {
		t.Errorf("%s %+v", got, p)
	}
	one.catchUp(t)
	if one.replica.Applied() != p.Epoch {
		t.Errorf("applied %d, the purge is %d", one.replica.Applied(), p.Epoch)
	}
	p, err := c.Purge(t.Context(), p.ID)
	if got := outcome(p); err != nil || got != "pending regional-1:pending edge-1:applied" {
		t.Errorf("%s, %v", got, err)
	}
	two.catchUp(t)
	p, err = c.Purge(t.Context(), p.ID)
	if got := outcome(p); err != nil || got != "complete regional-1:applied edge-1:applied" {
		t.Errorf("%s, %v", got, err)
	}
	n.isKept(t, p)
	if list, err := c.Purges(t.Context(), "", 10); err != nil || len(list.Purges) != 1 || outcome(list.Purges[0]) != outcome(p) || list.Next != "" {
		t.Errorf("%+v, %v", list, err)
	}
}

// isKept waits until PostgreSQL has the receipts of a complete purge.
func (n *controlNode) isKept(t *testing.T, p client.Purge) {
	t.Helper()
	testkit.Eventually(t, deadline, func() error {
		record, err := n.store.Purge(t.Context(), p.ID)
		if kept := describePurge(record); err == nil && (record.Finished.IsZero() || outcome(kept) != outcome(p) || kept.Epoch != p.Epoch) {
			err = fmt.Errorf("%+v", record)
		}
		return err
	})
}

func TestPurge_WaitsForReceipts(t *testing.T) {
	n := start(t, withTier(t))
	c := n.client(t, n.token)
	edge := n.member("edge-1", "edge").join(t)
	done := make(chan client.Purge, 1)
	go func() {
		p, err := c.CreatePurge(t.Context(), client.PurgeRequest{All: true, Wait: "20s"}, "")
		if err != nil {
			t.Error(err)
		}
		done <- p
	}()
	testkit.Eventually(t, deadline, func() error {
		edge.catchUp(t)
		select {
		case p := <-done:
			if got := outcome(p); got != "complete edge-1:applied" {
				t.Error(got)
			}
			n.isKept(t, p)
			return nil
		default:
			return fmt.Errorf("not answered")
		}
	})
}

// TestPurge_FencedNode is a node that is gone: it holds no lease once FenceTime is over, so that the purge is
// complete then, and not before.
func TestPurge_FencedNode(t *testing.T) {
	n := start(t, withTier(t))
	c := n.client(t, n.token)
	n.member("edge-1", "edge").join(t)
	began := time.Now()
	p := mustPurge(t, c, client.PurgeRequest{Tags: []string{"a"}, Wait: "20s"}, "")
	if took := time.Since(began); outcome(p) != "complete edge-1:fenced" || took < controllog.FenceTime {
		t.Errorf("%s after %v", outcome(p), took)
	}
	if p.Nodes[0].MS < controllog.FenceTime.Milliseconds() {
		t.Errorf("%d ms", p.Nodes[0].MS)
	}
	p = mustPurge(t, c, client.PurgeRequest{Tags: []string{"b"}, Wait: "100ms"}, "")
	if outcome(p) != "pending edge-1:pending" { // complete, had it waited for longer than a lease
		t.Errorf("%s", outcome(p))
	}
}

// TestPurge_ControlRestarts: what a control node that has just started does not know, it waits for.
func TestPurge_ControlRestarts(t *testing.T) {
	n := start(t, withTier(t))
	edge := n.member("edge-1", "edge").join(t)
	p := mustPurge(t, n.client(t, n.token), tagged("a"), "")
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	began := time.Now() // leases of before run from no later than this
	again := run(t, n.cfg, n.token)
	edge.control = again
	c := again.client(t, again.token)
	if p, err := c.Purge(t.Context(), p.ID); err != nil || outcome(p) != "pending edge-1:pending" {
		t.Errorf("%s, %v", outcome(p), err)
	}
	testkit.Eventually(t, deadline, func() error {
		p, err := c.Purge(t.Context(), p.ID)
		if err == nil && p.State != client.StateComplete {
			err = fmt.Errorf("%s", outcome(p))
		}
		return err
	})
	if took := time.Since(began); took < controllog.LeaseTime {
		t.Errorf("complete after %v, when the node could still hold a lease", took)
	}
	edge.catchUp(t) // it is still a member
}

func TestPurge_IdempotencyKey(t *testing.T) {
	n := start(t, withTier(t))
	c := n.client(t, n.token)
	edge := n.member("edge-1", "edge").join(t)
	first := mustPurge(t, c, tagged("a"), "k1")
	again := mustPurge(t, c, tagged("a"), "k1")
	if again.ID != first.ID || again.Epoch != first.Epoch {
		t.Errorf("%+v, then %+v", first, again)
	}
	edge.catchUp(t)
	again = mustPurge(t, c, client.PurgeRequest{Tags: []string{"a"}, Wait: "10s"}, "k1")
	if again.ID != first.ID || outcome(again) != "complete edge-1:applied" {
		t.Errorf("%+v", again)
	}
	if other := mustPurge(t, c, tagged("a"), "k2"); other.ID == first.ID {
		t.Error("another key is the same purge")
	}
	r := n.post(t, "/v1/purges", `{"tags":["b"]}`, map[string]string{"Idempotency-Key": "k1"})
	expectProblem(t, r, 409)
	r = n.post(t, "/v1/purges", `{"tags":["b"]}`, map[string]string{"Idempotency-Key": strings.Repeat("k", 256)})
	expectProblem(t, r, 422)
}

// TestPurge_EachKind purges one way and looks at a response in a node's index.
func TestPurge_EachKind(t *testing.T) {
	n := start(t, withTier(t))
	c := n.client(t, n.token)
	edge := n.member("edge-1", "edge").join(t)
	response := invalidation.Response{Service: "shop", Host: "example.org", Target: "/a/b?c=1", Tags: []string{"red", "blue"}, OwnOrigin: true}
	scopes, err := invalidation.AppendScopes(nil, &response)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		r    client.PurgeRequest
		want invalidation.Verdict
	}{
		{client.PurgeRequest{URLs: []string{"https://Example.org:443/a/b"}}, invalidation.Dead},
		{client.PurgeRequest{URLs: []string{"http://example.org/a/b?c=1"}}, invalidation.Dead},
		{client.PurgeRequest{URLs: []string{"http://example.org/a/b?c=2"}}, invalidation.Live},
		{client.PurgeRequest{URLs: []string{"http://*/a/b"}}, invalidation.Dead},
		{client.PurgeRequest{Tags: []string{"red"}}, invalidation.Dead},
		{client.PurgeRequest{Tags: []string{"blue"}, Service: "shop", Mode: "soft"}, invalidation.Stale},
		{client.PurgeRequest{Tags: []string{"blue"}, Service: "blog"}, invalidation.Live},
		{client.PurgeRequest{Tags: []string{"green"}}, invalidation.Live},
		{client.PurgeRequest{Prefixes: []string{"http://example.org/a/"}}, invalidation.Dead},
		{client.PurgeRequest{Prefixes: []string{"http://example.org/"}, Mode: "soft"}, invalidation.Stale},
		{client.PurgeRequest{Prefixes: []string{"http://example.org/b/"}}, invalidation.Live},
		{client.PurgeRequest{Hosts: []string{"EXAMPLE.org"}}, invalidation.Dead},
		{client.PurgeRequest{Hosts: []string{"example.org."}}, invalidation.Dead},
		{client.PurgeRequest{Hosts: []string{"example.net"}}, invalidation.Live},
		{client.PurgeRequest{Services: []string{"shop"}}, invalidation.Dead},
		{client.PurgeRequest{Services: []string{"blog"}}, invalidation.Live},
		{client.PurgeRequest{All: true, Mode: "soft"}, invalidation.Stale},
		{client.PurgeRequest{All: true}, invalidation.Dead},
	} {
		stamp := edge.replica.Applied()
		p := mustPurge(t, c, k.r, "")
		edge.catchUp(t)
		if got := edge.replica.Index().Check(stamp, scopes); got != k.want {
			t.Errorf("%+v: %v, not %v", k.r, got, k.want)
		}
		if got := edge.replica.Index().Check(p.Epoch, scopes); got != invalidation.Live {
			t.Errorf("%+v: a response of that epoch is %v", k.r, got)
		}
	}
}

func TestPurge_LargeOnesAreSeveralEntriesUnderOneID(t *testing.T) {
	n := start(t, withTier(t))
	c := n.client(t, n.token)
	edge := n.member("edge-1", "edge").join(t)
	r := client.PurgeRequest{Wait: "20s"}
	for i := range 20_000 {
		r.URLs = append(r.URLs, fmt.Sprintf("http://example.org/some/long/path/to/make/it/large/%d", i))
	}
	before := edge.replica.Applied()
	done := make(chan client.Purge, 1)
	go func() {
		p, err := c.CreatePurge(t.Context(), r, "")
		if err != nil {
			t.Error(err)
		}
		done <- p
	}()
	var p client.Purge
	testkit.Eventually(t, deadline, func() error {
		edge.catchUp(t)
		select {
		case p = <-done:
			return nil
		default:
			return fmt.Errorf("not answered")
		}
	})
	if outcome(p) != "complete edge-1:applied" || p.Epoch != before+5 || p.Scopes != 20_000 || p.Request != nil {
		t.Errorf("%s, epoch %d, before %d, %d scopes, request %v", outcome(p), p.Epoch, before, p.Scopes, p.Request)
	}
	for _, i := range []int{0, 4095, 4096, 19_999} {
		scope := []object.Scope{invalidation.URLScope("example.org", fmt.Sprintf("/some/long/path/to/make/it/large/%d", i), "")}
		if got := edge.replica.Index().Check(before, scope); got != invalidation.Dead {
			t.Errorf("%d is %v", i, got)
		}
	}
}

// post sends a body with the admin's token.
func (n *controlNode) post(t *testing.T, path, body string, header map[string]string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+n.token)
	req.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	return do(t, req)
}

func TestPurge_HostileBodies(t *testing.T) {
	n := start(t, nil)
	many := strings.TrimSuffix(strings.Repeat(`"a",`, maxPurgeItems+1), ",")
	for body, status := range map[string]int{
		"":                             400,
		"{":                            400,
		"[]":                           422,
		"null":                         422,
		`{}`:                           422,
		`{"all":false}`:                422,
		`{"all":"yes"}`:                422,
		`{"tag":["a"]}`:                422,
		`{"tags":"a"}`:                 422,
		`{"tags":[""]}`:                422,
		`{"tags":[null]}`:              422,
		`{"urls":["/a"]}`:              422,
		`{"urls":["http://a/\u0000"]}`: 422,
		`{"all":true,"mode":"x"}`:      422,
		`{"all":true,"wait":"1h"}`:     422,
		`{"all":true,"wait":"-1s"}`:    422,
		`{"all":true,"wait":"soon"}`:   422,
		`{"service":"a","all":true}`:   422,
		`{"tags":[` + many + `]}`:      413,
		`{"tags":["` + strings.Repeat("a", maxPurgeBody) + `"]}`: 413,
		strings.Repeat("[", 100_000):                             400,
	} {
		r := n.post(t, "/v1/purges", body, nil)
		if r.StatusCode != status {
			t.Errorf("%.60s: %d %.300s", body, r.StatusCode, r.text)
			continue
		}
		expectProblem(t, r, status)
	}
	if records, err := n.store.Purges(t.Context(), "", 10); err != nil || len(records) != 0 {
		t.Errorf("%d purges, %v", len(records), err)
	}
	expectProblem(t, get(t, n.url+"/v1/purges/none", "Bearer "+n.token), 404)
	expectProblem(t, get(t, n.url+"/v1/purges?limit=0", "Bearer "+n.token), 422)
	expectProblem(t, get(t, n.url+"/v1/purges?limit=1001", "Bearer "+n.token), 422)
}

func TestPurge_DryRunPurgesNothing(t *testing.T) {
	n := start(t, nil)
	before := n.sequencer.Applied()
	p := mustPurge(t, n.client(t, n.token), client.PurgeRequest{Tags: []string{"a", "b"}, DryRun: true, Mode: "soft"}, "k")
	if p.State != client.StateDryRun || p.Scopes != 2 || p.ID != "" || p.Mode != "soft" {
		t.Errorf("%+v", p)
	}
	if head, err := n.sequencer.Head(t.Context()); err != nil || head != before {
		t.Errorf("head %d, before %d, %v", head, before, err)
	}
}

func TestPurge_WhoMay(t *testing.T) {
	n := start(t, nil)
	give := func(h token.Holder) *client.Client {
		secret := token.Generate()
		if err := n.tokens.AddHolder(secret, h); err != nil {
			t.Fatal(err)
		}
		return n.client(t, secret)
	}
	reader, writer := give(token.Holder{Name: "reader", Roles: token.Read}), give(token.Holder{Name: "writer", Roles: token.Write})
	purger, shop := give(token.Holder{Name: "purger", Roles: token.Purge}), give(token.Holder{ID: "tok_shop", Name: "shop", Roles: token.Purge, Services: []string{"shop"}})
	status := func(err error) int {
		var p *client.Problem
		if err == nil {
			return 200
		}
		if !asProblem(err, &p) {
			t.Fatal(err)
		}
		return p.Status
	}
	own := mustPurge(t, shop, client.PurgeRequest{Services: []string{"shop"}}, "")
	others := mustPurge(t, purger, tagged("a"), "")
	for what, c := range map[string]struct {
		got func() error
		is  int
	}{
		"reader purges":       {func() error { _, err := reader.CreatePurge(t.Context(), tagged("a"), ""); return err }, 403},
		"writer purges":       {func() error { _, err := writer.CreatePurge(t.Context(), tagged("a"), ""); return err }, 403},
		"shop purges more":    {func() error { _, err := shop.CreatePurge(t.Context(), tagged("a"), ""); return err }, 403},
		"nobody purges":       {func() error { _, err := n.client(t, "").CreatePurge(t.Context(), tagged("a"), ""); return err }, 401},
		"reader looks":        {func() error { _, err := reader.Purge(t.Context(), own.ID); return err }, 200},
		"purger looks":        {func() error { _, err := purger.Purge(t.Context(), own.ID); return err }, 200},
		"shop looks at own":   {func() error { _, err := shop.Purge(t.Context(), own.ID); return err }, 200},
		"shop looks at other": {func() error { _, err := shop.Purge(t.Context(), others.ID); return err }, 404},
		"writer looks":        {func() error { _, err := writer.Purge(t.Context(), own.ID); return err }, 403},
	} {
		if got := status(c.got()); got != c.is {
			t.Errorf("%s: %d, not %d", what, got, c.is)
		}
	}
	if list, err := shop.Purges(t.Context(), "", 0); err != nil || len(list.Purges) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	activities, err := n.store.Activities(t.Context(), 0, 10)
	if err != nil || len(activities) != 2 || activities[0].Who != "purger" || activities[0].From != "127.0.0.1" || activities[0].Subject != others.ID {
		t.Errorf("%+v, %v", activities, err)
	}
}

func TestPurge_PostgreSQLIsAway(t *testing.T) {
	server := testkit.PostgresProc(t)
	n := start(t, func(c *Config) { c.PostgresURL = server.URL })
	server.Kill9()
	r := n.post(t, "/v1/purges", `{"all":true,"wait":"2s"}`, nil)
	if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	testkit.Eventually(t, deadline, func() error {
		if n.node.Health.Ready() {
			return fmt.Errorf("ready")
		}
		return nil
	})
	if f, err := n.client(t, n.token).Fleet(t.Context()); err != nil || f.Ready {
		t.Errorf("fleet: %+v, %v", f, err)
	}
	server.Restart()
	testkit.Eventually(t, deadline, func() error {
		_, err := n.client(t, n.token).CreatePurge(t.Context(), client.PurgeRequest{All: true}, "")
		return err
	})
}

func TestPurge_PagesOfTheList(t *testing.T) {
	n := start(t, nil)
	c := n.client(t, n.token)
	var made []string
	for i := range 5 {
		made = append(made, mustPurge(t, c, tagged(fmt.Sprint(i)), "").ID)
	}
	var seen []string
	for before := ""; ; {
		list, err := c.Purges(t.Context(), before, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list.Purges {
			seen = append(seen, p.ID)
			if p.State != client.StateComplete || len(p.Nodes) != 0 {
				t.Errorf("without nodes: %s", outcome(p))
			}
		}
		if before = list.Next; before == "" {
			break
		}
	}
	if len(seen) != 5 || seen[0] != made[4] || seen[4] != made[0] {
		t.Errorf("made %v, listed %v", made, seen)
	}
}

// fleetMember finds a node in the fleet.
func fleetMember(f client.Fleet, name string) client.Node {
	for _, n := range f.Nodes {
		if n.Node == name {
			return n
		}
	}
	return client.Node{}
}
