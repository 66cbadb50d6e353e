package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/control/members"
	"tiercache/shared/bus"
	"tiercache/shared/bus/natsd"
	"tiercache/shared/controllog"
	"tiercache/shared/follower"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/testkit"
)

func TestNodes_NeedTheFleetsSecret(t *testing.T) {
	closed, open := start(t, nil), start(t, withTier(t))
	for _, path := range []string{"/v1/node/log?after=0", "/v1/node/image", "/v1/node/receipts?epoch=1"} {
		expectProblem(t, get(t, open.url+path, "Bearer "+open.token), 403)
		expectProblem(t, closed.call(t, http.MethodGet, path, nil), 403) // sends "", which is its secret
	}
	expectProblem(t, send(t, http.MethodPost, open.url+"/v1/node/renew", ""), 403)
}

func TestNodes_BadRequests(t *testing.T) {
	n := start(t, withTier(t))
	for path, status := range map[string]int{
		"/v1/node/log": 400, "/v1/node/log?after=-1": 400, "/v1/node/log?after=9999999999999999999999": 400, "/v1/node/log?after=18446744073709551615": 400,
		"/v1/node/receipts": 400, "/v1/node/receipts?epoch=x": 400, "/v1/node/receipts?epoch=1&wait=2h": 400, "/v1/node/receipts?epoch=9000000000000000000": 404,
	} {
		expectProblem(t, n.call(t, http.MethodGet, path, nil), status)
	}
	for _, body := range []any{nil, "x", []int{1}, controllog.Renew{Node: "a.b", Tier: "edge", Instance: "i"}, controllog.Renew{Node: "a", Instance: "i"}, controllog.Renew{Node: "a", Tier: "edge"}, controllog.Renew{Node: "a", Tier: "edge", Instance: "i", Addr: strings.Repeat("x", 4<<10)}} {
		if r := n.call(t, http.MethodPost, "/v1/node/renew", body); r.StatusCode != 400 {
			t.Errorf("%+v: %d %s", body, r.StatusCode, r.text)
		}
	}
}

func TestNodes_StrangersMustJoin(t *testing.T) {
	n := start(t, withTier(t))
	edge := n.member("edge-1", "edge")
	testkit.Eventually(t, deadline, func() error {
		if got := edge.say(t); got.Refused != controllog.RefusedUnknown {
			return errors.New(got.Refused)
		}
		return nil
	})
	edge.join(t)
	if got := edge.say(t); got.Refused != "" || got.Head != n.sequencer.Applied() {
		t.Errorf("%+v", got)
	}
	edge.renew.Leave = true
	edge.say(t)
	edge.renew.Leave = false
	f, err := n.client(t, n.token).Fleet(t.Context())
	if err != nil || len(f.Nodes) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestNodes_JoinIsRegisteredBeforeItsHeadIsRead: a purge whose list of members was read without the node must be
// covered by the head that the node is to apply. Its row is held up meanwhile.
func TestNodes_JoinIsRegisteredBeforeItsHeadIsRead(t *testing.T) {
	n := start(t, withTier(t))
	n.member("edge-0", "edge").join(t) // the first use of the rows is over
	late := n.member("edge-1", "edge")
	late.renew.Join = true
	release := testkit.Hold(t, n.cfg.PostgresURL, `LOCK TABLE tiercache.members IN SHARE ROW EXCLUSIVE MODE`)
	answers := make(chan controllog.RenewReply, 1)
	go func() { answers <- late.say(t) }()
	testkit.Execute(t, n.cfg.PostgresURL, `DO $$ BEGIN
		WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'tiercache.members'::regclass) LOOP PERFORM pg_sleep(0.01); END LOOP;
	END $$`)
	p := mustPurge(t, n.client(t, n.token), tagged("a"), "")
	if got := outcome(p); got != "pending edge-0:pending" {
		t.Errorf("%s: the joiner is there already", got)
	}
	select {
	case <-answers:
		t.Error("the joiner was answered before its row was there")
	default:
	}
	release()
	answer := <-answers
	if answer.Refused != "" { // it waited for longer than control waits for a lock
		answer = late.say(t)
	}
	if answer.Refused != "" || answer.Head < p.Epoch {
		t.Errorf("%+v, the purge is %d", answer, p.Epoch)
	}
}

func TestNodes_AheadOfTheLog(t *testing.T) {
	n := start(t, withTier(t))
	edge := n.member("edge-1", "edge").join(t)
	scope := []object.Scope{invalidation.TagScope("", "x")}
	stamp := edge.replica.Applied()
	edge.renew.Nonce, edge.renew.Applied = "n", stamp+1_000_000
	r := n.call(t, http.MethodPost, "/v1/node/renew", edge.renew)
	var answer controllog.RenewReply
	if err := json.Unmarshal([]byte(r.text), &answer); err != nil || answer.Refused != "" || answer.Head <= edge.renew.Applied {
		t.Fatalf("%s, %v", r.text, err)
	}
	edge.catchUp(t)
	if got := edge.replica.Index().Check(stamp, scope); got != invalidation.Stale {
		t.Errorf("a response from before is %v", got)
	}
	edge.renew.Applied = answer.Head * 2
	r = n.call(t, http.MethodPost, "/v1/node/renew", edge.renew)
	if !strings.Contains(r.text, "refused") {
		t.Errorf("an epoch that cannot be: %s", r.text)
	}
	p := mustPurge(t, n.client(t, n.token), tagged("a"), "")
	if got := outcome(p); got != "pending edge-1:pending" {
		t.Errorf("%s: the claim is believed", got)
	}
}

// A node has applied what the log has lost, and the log has gone on above it: its renewal tells control, with what it has applied
// now, or with what it had applied before it learned of the new term.
func TestNodes_HaveWhatTheLogHasLost(t *testing.T) {
	server := testkit.PostgresCluster(t) // which waits for its disk, or the term would purge
	for node, learned := range map[string]bool{"edge-1": false, "edge-2": true} {
		t.Run(fmt.Sprintf("it has learned of the new term: %v", learned), func(t *testing.T) {
			n := start(t, func(cfg *Config) { withTier(t)(cfg); cfg.PostgresURL = server.URL })
			edge := n.member(node, "edge").join(t)
			stamp := edge.replica.Applied()
			// As when the data directory is put back file by file: a server that was started again.
			testkit.Execute(t, n.cfg.PostgresURL, "UPDATE tiercache.server SET started_at = started_at - interval '1 day'")
			term := mustPurge(t, n.client(t, n.token), tagged("other"), "").Epoch - 1
			edge.renew.Nonce, edge.renew.Applied, edge.renew.Chain = "n", term-1, 1
			if learned {
				edge.renew.Applied, edge.renew.Chain, edge.renew.Lost = term, 0, term-1
			}
			r := n.call(t, http.MethodPost, "/v1/node/renew", edge.renew)
			var answer controllog.RenewReply
			if err := json.Unmarshal([]byte(r.text), &answer); err != nil || answer.Refused != "" || answer.Head <= term+1 {
				t.Fatalf("%s, %v; the term is %d", r.text, err, term)
			}
			edge.renew.Chain, edge.renew.Lost = 0, 0
			edge.catchUp(t)
			if got := edge.replica.Index().Check(stamp, []object.Scope{invalidation.TagScope("", "x")}); got != invalidation.Stale {
				t.Errorf("a response from before is %v", got)
			}
		})
	}
}

// Who has a credential of nodes can make up members, but not without end, and the real ones stay.
func TestNodes_AsManyMembersAsThereMayBe(t *testing.T) {
	tier := withTier(t)
	n := start(t, func(c *Config) { tier(c); c.MaxMembers = 2 })
	one := n.member("edge-1", "edge").join(t)
	n.member("made-up", "edge").join(t)
	n.member("regional-1", "regional").join(t)
	third := n.member("edge-3", "edge")
	third.renew.Join = true
	if got := third.say(t).Refused; !strings.Contains(got, "2 members of the tier edge") || !strings.Contains(got, "max_members") {
		t.Errorf("one more: %q", got)
	}
	one.renew.Join = true
	if got := one.say(t).Refused; got != "" {
		t.Errorf("one that is a member: %q", got)
	}
	other := n.member("edge-4", "egde")
	other.renew.Join = true
	expectProblem(t, n.call(t, http.MethodPost, "/v1/node/renew", other.renew), 400)
	if got := len(n.members.Members()); got != 3 {
		t.Errorf("%d members", got)
	}
}

// A Join that is handled after the process has left.
func TestNodes_WhoHasLeftIsNoMemberAgain(t *testing.T) {
	n := start(t, withTier(t))
	edge := n.member("edge-1", "edge").join(t)
	edge.renew.Leave = true
	edge.say(t)
	edge.renew.Leave, edge.renew.Join = false, true
	if got := edge.say(t).Refused; !strings.Contains(got, "has left the fleet") {
		t.Errorf("it joins: %q", got)
	}
	p := mustPurge(t, n.client(t, n.token), tagged("a"), "")
	if got := outcome(p); got != "complete" {
		t.Error(got)
	}
}

func TestNodes_PostgreSQLIsAway(t *testing.T) {
	server := testkit.PostgresProc(t)
	tier := withTier(t)
	n := start(t, func(c *Config) { tier(c); c.PostgresURL = server.URL })
	edge := n.member("edge-1", "edge").join(t)
	server.Kill9()
	if answer := edge.say(t); answer.Refused != "PostgreSQL is away" {
		t.Errorf("%+v", answer)
	}
	if r := n.call(t, http.MethodGet, "/v1/node/log?after=1", nil); r.StatusCode != 503 {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	if r := n.call(t, http.MethodGet, "/v1/node/image", nil); r.StatusCode != 200 {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	server.Restart()
	testkit.Eventually(t, deadline, func() error {
		if answer := edge.say(t); answer.Refused != "" {
			return errors.New(answer.Refused)
		}
		return nil
	})
}

func TestNodes_Receipts(t *testing.T) {
	n := start(t, withTier(t))
	edge := n.member("edge-1", "edge").join(t)
	p := mustPurge(t, n.client(t, n.token), tagged("a"), "")
	ask := func(query string) (got client.Receipts) {
		r := n.call(t, http.MethodGet, fmt.Sprintf("/v1/node/receipts?epoch=%d%s", p.Epoch, query), nil)
		if err := json.Unmarshal([]byte(r.text), &got); err != nil || r.StatusCode != 200 {
			t.Fatalf("%d %s: %v", r.StatusCode, r.text, err)
		}
		return got
	}
	if got := ask(""); got.State != client.StatePending || got.Epoch != p.Epoch || len(got.Nodes) != 1 || got.Nodes[0].State != client.StatePending {
		t.Errorf("%+v", got)
	}
	edge.catchUp(t)
	if got := ask("&wait=20s"); got.State != client.StateComplete || got.Nodes[0].State != client.StateApplied || got.Nodes[0].Tier != "edge" {
		t.Errorf("%+v", got)
	}
}

func TestFleet_ShowsMembers(t *testing.T) {
	n := start(t, withTier(t))
	edge := n.member("edge-1", "edge").join(t)
	c := n.client(t, n.token)
	f, err := c.Fleet(t.Context())
	e := fleetMember(f, "edge-1")
	if err != nil || f.Ready || f.Head != edge.replica.Applied() || e.Lease != client.LeaseLive || e.Applied != f.Head || e.LagMS != 0 || e.State != client.StateLive {
		t.Errorf("%+v, %v", f, err)
	}
	if own := fleetMember(f, "control-1"); own.Lease != client.LeaseNone {
		t.Errorf("%+v", own)
	}
	mustPurge(t, c, tagged("a"), "")
	testkit.Eventually(t, deadline, func() error {
		f, err := c.Fleet(t.Context())
		if e := fleetMember(f, "edge-1"); err != nil || e.Lease != client.LeaseFenced || e.LagMS < controllog.LeaseTime.Milliseconds() {
			return fmt.Errorf("%+v, %w", e, err)
		}
		return nil
	})
	if text := get(t, "http://"+n.cfg.AdminListen+"/metrics", "").text; !strings.Contains(text, `tiercache_fleet_members{lease="fenced",tier="edge"} 1`) || !strings.Contains(text, "tiercache_log_head") {
		t.Errorf("metrics:\n%.3000s", text)
	}
}

func TestFleet_RemovesWhoIsGoneForGood(t *testing.T) {
	n := start(t, withTier(t))
	edge := n.member("edge-1", "edge").join(t)
	remove := func(name string) reply {
		return send(t, http.MethodDelete, n.url+"/v1/fleet/"+name, "Bearer "+n.token)
	}
	expectProblem(t, remove("edge-1"), 409)
	expectProblem(t, remove("edge-2"), 404)
	testkit.Eventually(t, deadline, func() error {
		if r := remove("edge-1"); r.StatusCode != http.StatusNoContent {
			return fmt.Errorf("%d %s", r.StatusCode, r.text)
		}
		return nil
	})
	if p := mustPurge(t, n.client(t, n.token), client.PurgeRequest{All: true, Wait: "1s"}, ""); p.State != client.StateComplete {
		t.Error(outcome(p))
	}
	testkit.Eventually(t, deadline, func() error { // its row is removed too
		rows, err := n.store.Members(t.Context())
		if err == nil && len(rows) > 0 {
			err = fmt.Errorf("%+v", rows)
		}
		return err
	})
	if got := edge.say(t); got.Refused != controllog.RefusedUnknown {
		t.Errorf("%+v", got)
	}
	if f, err := n.client(t, n.token).Fleet(t.Context()); err != nil || len(f.Nodes) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
}

// onNATS starts a NATS server and a control node on it, and returns how to connect as a role.
func onNATS(t *testing.T) (*controlNode, func(role, name string) *bus.Bus) {
	t.Helper()
	dir, addr, tier := t.TempDir(), testkit.FreeAddr(t), withTier(t)
	if _, err := natsd.GenerateCredentials(dir); err != nil {
		t.Fatal(err)
	}
	server, err := natsd.New(natsd.Config{Listen: addr, Credentials: dir})
	if err != nil {
		t.Fatal(err)
	}
	background(t, server.Run)
	url := "nats://" + addr
	connect := func(role, name string) *bus.Bus {
		b, err := bus.Connect(t.Context(), bus.Config{URL: url, SeedFile: natsd.SeedFile(dir, role), Name: name, Role: role})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		testkit.Eventually(t, deadline, func() error {
			if !b.Connected() {
				return bus.ErrDisconnected
			}
			return nil
		})
		return b
	}
	connect("edge", "probe") // the server is there
	n := start(t, func(c *Config) { tier(c); c.NATSURL, c.NATSSeedFile = url, natsd.SeedFile(dir, "control") })
	return n, connect
}

// background runs something until the test ends, or stop is called.
func background(t *testing.T, run func(context.Context, func()) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = run(ctx, func() {}) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func TestNodes_OnTheBusOnlyTheirOwnNameCounts(t *testing.T) {
	n, connect := onNATS(t)
	edge := connect("edge", "edge-1")
	ask := func(r controllog.Renew) (controllog.RenewReply, error) {
		payload, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answer, err := edge.Renew(ctx, "edge", "edge-1", payload, func([]byte) bool { return true })
		var reply controllog.RenewReply
		if err == nil {
			err = json.Unmarshal(answer, &reply)
		}
		return reply, err
	}
	testkit.Eventually(t, deadline, func() error {
		got, err := ask(controllog.Renew{Node: "edge-1", Tier: "edge", Nonce: "a", Instance: "one", Join: true})
		if err == nil && got.Refused != "" {
			err = errors.New(got.Refused)
		}
		return err
	})
	for _, r := range []controllog.Renew{{Node: "edge-2", Tier: "edge", Instance: "one", Join: true}, {Node: "edge-1", Tier: "regional", Instance: "one", Join: true}} {
		if got, err := ask(r); err == nil {
			t.Errorf("%+v: %+v", r, got)
		}
	}
	if all := n.Control.members.Members(); len(all) != 1 || all[0].Node != "edge-1" {
		t.Errorf("%+v", all)
	}
}

// TestPurge_WithRealNodes has followers as nodes have them: a purge is complete in milliseconds, and each node
// has it then.
func TestPurge_WithRealNodes(t *testing.T) {
	n, connect := onNATS(t)
	var nodes []*follower.Follower
	for _, id := range []string{"regional regional-1", "edge edge-1", "edge edge-2"} {
		tier, name, _ := strings.Cut(id, " ")
		f, err := follower.New(follower.Config{
			Node: name, Tier: tier, Region: "r1", ControlURL: n.url, TierToken: n.tier, Member: true, Leave: true,
		}, follower.Deps{Bus: connect(tier, name)})
		if err != nil {
			t.Fatal(err)
		}
		background(t, f.Run)
		nodes = append(nodes, f)
	}
	testkit.Eventually(t, deadline, func() error {
		live := 0
		for _, m := range n.Control.members.Members() {
			if m.Lease == members.LeaseLive && m.Applied == n.sequencer.Applied() {
				live++
			}
		}
		for _, f := range nodes {
			if f.Stats().RenewalsNATS.Load() < 2 {
				live--
			}
		}
		if live != len(nodes) {
			return fmt.Errorf("%d nodes are live, over NATS", live)
		}
		return nil
	})
	c := n.client(t, n.token)
	var took []time.Duration
	for i := range 100 {
		began := time.Now()
		p := mustPurge(t, c, client.PurgeRequest{Tags: []string{fmt.Sprintf("tag-%d", i)}, Wait: "10s"}, "")
		took = append(took, time.Since(began))
		if got := outcome(p); got != "complete regional-1:applied edge-1:applied edge-2:applied" {
			t.Fatalf("purge %d: %s", i, got)
		}
		for _, f := range nodes {
			if got := f.Index().Check(p.Epoch-1, []object.Scope{invalidation.TagScope("", fmt.Sprintf("tag-%d", i))}); got != invalidation.Dead {
				t.Fatalf("purge %d: an old response is %v at a node that has it applied", i, got)
			}
		}
	}
	slices.Sort(took)
	t.Logf("100 purges: median %v, p99 %v, max %v", took[50], took[98], took[99])
}
