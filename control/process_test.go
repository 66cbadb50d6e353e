package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"tiercache/control/client"
	"tiercache/shared/controllog"
	"tiercache/shared/follower"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

// process is a follower, as a node has it.
type process struct {
	*follower.Follower
	health *runner.Health
	joined chan struct{} // closed when it may serve: it is a member then
	stop   func()
}

func (n *controlNode) process(t *testing.T, node, addr string) *process {
	t.Helper()
	p := &process{health: runner.NewHealth(), joined: make(chan struct{})}
	f, err := follower.New(follower.Config{
		Node: node, Tier: "edge", Region: "r1", Addr: addr, ControlURL: n.url, TierToken: n.tier, Member: true, Leave: true,
	}, follower.Deps{Health: p.health})
	if err != nil {
		t.Fatal(err)
	}
	p.Follower = f
	p.stop = background(t, func(ctx context.Context, _ func()) error {
		return f.Run(ctx, func() { close(p.joined) })
	})
	return p
}

func (p *process) is(ready bool, detail string) error {
	report := p.health.Report()
	if got := report.Components["in rotation"].Detail; p.health.Ready() != ready || !strings.Contains(got, detail) {
		return fmt.Errorf("%+v", report)
	}
	return nil
}

// Two processes were given one name. The second is refused and says so; when the first stops in good order, it
// takes its place.
func TestFleet_ASecondProcessOfANameIsRefused(t *testing.T) {
	n := start(t, withTier(t))
	c := n.client(t, n.token)
	first := n.process(t, "edge-1", "127.0.0.1:1001")
	<-first.joined
	second := n.process(t, "edge-1", "127.0.0.1:1002")
	testkit.Eventually(t, deadline, func() error {
		if err := second.is(false, "another process with the name edge-1 is a member since"); err != nil {
			return err
		}
		if detail := second.health.Report().Components["control"].Detail; !strings.Contains(detail, "another process") {
			return errors.New(detail)
		}
		f, err := c.Fleet(t.Context())
		var kept, refused client.Node
		for _, node := range f.Nodes {
			switch node.Addr {
			case "127.0.0.1:1001":
				kept = node
			case "127.0.0.1:1002":
				refused = node
			}
		}
		if err != nil || f.Ready || kept.Lease != client.LeaseLive || kept.Refused != "" || refused.Lease != client.LeaseNone || !strings.Contains(refused.Refused, "give each node its own name") {
			return fmt.Errorf("%+v, %w", f, err)
		}
		return nil
	})
	p := mustPurge(t, c, client.PurgeRequest{All: true, Wait: "10s"}, "")
	if got := outcome(p); got != "complete edge-1:applied" || first.Applied() < p.Epoch {
		t.Errorf("%s, the first has applied %d of %d", got, first.Applied(), p.Epoch)
	}
	if err := first.is(true, ""); err != nil {
		t.Errorf("the first: %v", err)
	}
	first.stop()
	testkit.Eventually(t, deadline, func() error { return second.is(true, "") })
	if p := mustPurge(t, c, client.PurgeRequest{All: true, Wait: "10s"}, ""); outcome(p) != "complete edge-1:applied" || second.Applied() < p.Epoch {
		t.Errorf("%s, the second has applied %d of %d", outcome(p), second.Applied(), p.Epoch)
	}
}

// A node that was killed is replaced by its next process once its lease is over. Purges count it until then.
func TestFleet_TheNextProcessOfANodeThatWasKilled(t *testing.T) {
	n := start(t, withTier(t))
	n.member("edge-1", "edge").join(t)
	next := n.member("edge-1", "edge")
	next.renew.Join = true
	if got := next.say(t); !got.Taken || got.Refused == "" {
		t.Errorf("%+v", got)
	}
	p := mustPurge(t, n.client(t, n.token), tagged("a"), "")
	if got := outcome(p); got != "pending edge-1:pending" {
		t.Error(got)
	}
	testkit.Eventually(t, deadline, func() error {
		if got := next.say(t); got.Refused != "" {
			return errors.New(got.Refused)
		}
		return nil
	})
	next.renew.Join = false
	next.catchUp(t)
	if got := n.receiptsOf(t, p.Epoch, ""); got.State != client.StateComplete {
		t.Errorf("the purge from before is %+v", got)
	}
}

// receiptsOf are those that the origin is told.
func (n *controlNode) receiptsOf(t *testing.T, epoch uint64, wait string) (got client.Receipts) {
	t.Helper()
	query := url.Values{"epoch": {strconv.FormatUint(epoch, 10)}, "wait": {wait}}
	r := n.call(t, http.MethodGet, "/v1/node/receipts?"+query.Encode(), nil)
	if err := json.Unmarshal([]byte(r.text), &got); err != nil || r.StatusCode != 200 {
		t.Fatalf("%d %s: %v", r.StatusCode, r.text, err)
	}
	return got
}

// A control node that has just started counts a node that does not report as pending for a lease and the margin,
// although its lease may have been over before.
func TestNodes_ControlRestartsWhileANodeIsNotWell(t *testing.T) {
	before := start(t, withTier(t))
	well, ill := before.member("edge-1", "edge").join(t), before.member("edge-2", "edge").join(t)
	p := mustPurge(t, before.client(t, before.token), tagged("a"), "")
	if err := before.stop(); err != nil {
		t.Fatal(err)
	}
	after := run(t, before.cfg, before.token)
	if got := outcomeOf(after.receiptsOf(t, p.Epoch, "")); got != "pending edge-1:pending edge-2:pending" {
		t.Errorf("at first: %s", got)
	}
	well.control = after
	well.catchUp(t)
	if got := outcomeOf(after.receiptsOf(t, p.Epoch, "1ms")); got != "pending edge-1:applied edge-2:pending" {
		t.Errorf("then: %s", got)
	}
	receipts := after.receiptsOf(t, p.Epoch, "20s")
	if got := outcomeOf(receipts); got != "complete edge-1:applied edge-2:fenced" || receipts.Nodes[1].MS < controllog.FenceTime.Milliseconds() {
		t.Errorf("in the end: %s, after %d ms", got, receipts.Nodes[1].MS)
	}
	if f, err := after.client(t, after.token).Fleet(t.Context()); err != nil || fleetMember(f, "edge-2").Lease != client.LeaseFenced {
		t.Errorf("%+v, %v", f, err)
	}
	ill.control = after
	if got := ill.say(t); got.Refused != "" {
		t.Errorf("it is back: %+v", got)
	}
}

func outcomeOf(r client.Receipts) string {
	return outcome(client.Purge{State: r.State, Nodes: r.Nodes})
}
