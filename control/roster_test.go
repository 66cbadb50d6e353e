package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/shared/bus"
)

func at(d time.Duration) time.Time { return time.Unix(1_700_000_000, 0).Add(d) }

func TestRoster_LiveSilentForgotten(t *testing.T) {
	r := newRoster()
	r.hear(bus.Hello{Tier: "edge", Node: "edge-1", Ready: true}, at(0))
	cases := []struct {
		after time.Duration
		state string
		ready bool
	}{
		{-time.Second, client.StateLive, true}, // a clock that went back
		{3 * time.Second, client.StateLive, true},
		{3*time.Second + 1, client.StateSilent, false},
		{10 * time.Minute, client.StateSilent, false},
	}
	for _, c := range cases {
		f := r.fleet(at(c.after))
		if len(f.Nodes) != 1 || f.Nodes[0].State != c.state || f.Ready != c.ready || f.Nodes[0].LastHeardMS != max(0, c.after.Milliseconds()) {
			t.Errorf("after %v: %+v", c.after, f)
		}
	}
	if f := r.fleet(at(10*time.Minute + 1)); len(f.Nodes) != 0 {
		t.Errorf("not forgotten: %+v", f)
	}
	r.hear(bus.Hello{Tier: "edge", Node: "edge-1"}, at(time.Hour))
	if f := r.fleet(at(time.Hour)); len(f.Nodes) != 1 || f.Ready {
		t.Errorf("back, but not ready: %+v", f)
	}
}

func TestRoster_OrderIsByTierAndName(t *testing.T) {
	r := newRoster()
	for _, id := range []string{"edge b", "edge a", "control z", "origin o", "regional r"} {
		tier, node, _ := strings.Cut(id, " ")
		r.hear(bus.Hello{Tier: tier, Node: node}, at(0))
	}
	var got []string
	for _, n := range r.fleet(at(0)).Nodes {
		got = append(got, n.Tier+" "+n.Node)
	}
	if want := "[control z origin o regional r edge a edge b]"; fmt.Sprint(got) != want {
		t.Errorf("got %v", got)
	}
}

// Two processes of one name are two entries while both say something; one that has moved is one again.
func TestRoster_OneNameAtTwoAddresses(t *testing.T) {
	r := newRoster()
	say := func(d time.Duration, addr string) {
		r.hear(bus.Hello{Tier: "edge", Node: "edge-1", Addr: addr, Ready: addr == "a"}, at(d))
	}
	addrs := func(d time.Duration) string {
		var got []string
		for _, n := range r.fleet(at(d)).Nodes {
			got = append(got, n.Addr)
		}
		return fmt.Sprint(got)
	}
	say(0, "a")
	say(time.Second, "b")
	say(2*time.Second, "a")
	if got := addrs(2 * time.Second); got != "[a b]" {
		t.Errorf("both: %s", got)
	}
	if r.fleet(at(2 * time.Second)).Ready {
		t.Error("the second hides behind the first")
	}
	say(4*time.Second, "b")
	if got := addrs(5 * time.Second); got != "[a b]" {
		t.Errorf("as long as the first may live: %s", got)
	}
	if got := addrs(5*time.Second + 1); got != "[b]" {
		t.Errorf("moved: %s", got)
	}
	if got := addrs(time.Minute); got != "[b]" {
		t.Errorf("silent: %s", got)
	}
}

func TestRoster_IsBounded(t *testing.T) {
	r := newRoster()
	for i := range maxNodes + 1 {
		r.hear(bus.Hello{Tier: "edge", Node: fmt.Sprint(i)}, at(time.Duration(i)*time.Millisecond))
	}
	nodes := r.fleet(at(10 * time.Second)).Nodes
	if len(nodes) != maxNodes {
		t.Errorf("%d nodes", len(nodes))
	}
	for _, n := range nodes {
		if n.Node == "0" {
			t.Error("the oldest is still there")
		}
	}
}
