package control

import (
	"errors"
	"fmt"
	"testing"

	"tiercache/control/client"
	"tiercache/shared/follower"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

// TestFleet_Drain drains a real follower, over HTTP, and puts it back.
func TestFleet_Drain(t *testing.T) {
	n := start(t, withTier(t))
	health := runner.NewHealth()
	f, err := follower.New(follower.Config{
		Node: "edge-1", Tier: "edge", Region: "r1", ControlURL: n.url, TierToken: n.tier, Member: true,
	}, follower.Deps{Health: health})
	if err != nil {
		t.Fatal(err)
	}
	background(t, f.Run)
	c := n.client(t, n.token)
	await := func(what string, drained bool) {
		t.Helper()
		testkit.Eventually(t, deadline, func() error {
			fleet, err := c.Fleet(t.Context())
			if e := fleetMember(fleet, "edge-1"); err != nil || e.Draining != drained || health.Ready() == drained || e.Lease != client.LeaseLive {
				return fmt.Errorf("not %s: %+v, ready %t, %w", what, e, health.Ready(), err)
			}
			return nil
		})
	}
	await("in rotation", false)
	if err := c.Drain(t.Context(), "edge-1", true); err != nil {
		t.Fatal(err)
	}
	await("drained", true)
	if err := c.Drain(t.Context(), "edge-1", false); err != nil {
		t.Fatal(err)
	}
	await("back", false)
	var problem *client.Problem
	if err := c.Drain(t.Context(), "edge-9", true); !errors.As(err, &problem) || problem.Status != 404 {
		t.Errorf("a node that is not there: %v", err)
	}
	page, err := c.Activity(t.Context(), 0, 10)
	if err != nil || len(page.Activities) < 2 || page.Activities[0].Action != "member.undrain" || page.Activities[1].Subject != "edge-1" {
		t.Errorf("%+v, %v", page, err)
	}
}
