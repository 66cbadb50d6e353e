package simulation

import (
	"errors"
	"slices"
	"testing"
	"time"

	"tiercache/control/postgres"
)

func TestContract_MembersDouble(t *testing.T) { onDouble(t, membersContract(), newDoubleDatabases) }
func TestContract_Members(t *testing.T)       { onReal(t, membersContract(), newRealDatabases) }

// membersContract is what control relies on of the rows of members.
func membersContract() []demand[databases] {
	return []demand[databases]{
		{"JoinAndJoinAgain", joinAgain},
		{"ANameThatIsTaken", joinTaken},
		{"InThePlaceOfAnother", joinOver},
		{"WhoHasLeftJoinsNoMore", joinDeparted},
		{"LeaveIsOfOneRegistration", leaveOnce},
		{"RemoveOnlyAsItWasSeen", removeAsSeen},
		{"Renewals", saveRenewals},
		{"States", memberStates},
		{"DropOnlyTheSilent", dropSilent},
		{"ForgetDeparted", forgetDeparted},
	}
}

// joins registers a process of edge-1, over nobody unless over is given, and returns the row that stands then.
func joins(t *testing.T, s sqlStore, m postgres.Member, over *postgres.Member) postgres.Member {
	t.Helper()
	return must[postgres.Member](t)(s.Join(t.Context(), m, over))
}

// edgeOf is a process of edge-1.
func edgeOf(instance string) postgres.Member {
	return postgres.Member{Node: "edge-1", Tier: "edge", Region: "r1", Addr: "10.0.1.1:80", Instance: instance, Applied: 7}
}

func membersOf(t *testing.T, s sqlStore) []postgres.Member {
	t.Helper()
	return must[[]postgres.Member](t)(s.Members(t.Context()))
}

// wantMembers wants these rows, as they are.
func wantMembers(t *testing.T, s sqlStore, want ...postgres.Member) {
	t.Helper()
	if got := membersOf(t, s); !slices.Equal(got, want) {
		t.Errorf("members %+v, want %+v", got, want)
	}
}

// renewed saves that a member was heard of, and returns its row.
func renewed(t *testing.T, s sqlStore, m postgres.Member, applied uint64) postgres.Member {
	t.Helper()
	saved, err := s.SaveRenewals(t.Context(), []postgres.Renewal{{Node: m.Node, Registered: m.Registered, Applied: applied}})
	if err != nil || len(saved) != 1 {
		t.Fatalf("saved %+v, %v", saved, err)
	}
	m.Applied, m.Seen = max(m.Applied, applied), saved[m.Node].Seen
	return m
}

func joinAgain(t *testing.T, with databases) {
	s, m := with.store(), edgeOf("i")
	wantMembers(t, s)
	if _, err := s.Join(t.Context(), postgres.Member{Tier: "edge", Instance: "i"}, nil); !errors.Is(err, postgres.ErrInvalid) {
		t.Errorf("without a name: %v", err)
	}
	m.State = "said by the node"
	first := joins(t, s, m, nil)
	if want := m; first.Registered.IsZero() || first.Seen.Before(first.Registered) || first.State != postgres.MemberServing || first.Applied != 7 || first.Addr != want.Addr {
		t.Errorf("registered %+v", first)
	}
	second := joins(t, s, postgres.Member{Node: "edge-0", Tier: "edge", Instance: "j"}, nil)
	wantMembers(t, s, second, first) // by name
	if err := s.SetMemberState(t.Context(), "edge-1", postgres.MemberLeaving); err != nil {
		t.Fatal(err)
	}
	m.Region, m.Addr, m.Applied = "r2", "10.0.1.9:80", 4
	again := joins(t, s, m, nil)
	if again.Applied != 7 || again.State != postgres.MemberLeaving || again.Region != "r2" || again.Addr != m.Addr ||
		!again.Registered.Equal(first.Registered) || !again.Seen.After(first.Seen) {
		t.Errorf("again: %+v after %+v", again, first)
	}
	m.Applied = 9
	if more := joins(t, s, m, nil); more.Applied != 9 {
		t.Errorf("further on: %+v", more)
	}
}

func joinTaken(t *testing.T, with databases) {
	s := with.store()
	first := joins(t, s, edgeOf("first"), nil)
	for what, over := range map[string]*postgres.Member{
		"over nobody": nil, "over somebody else": {Instance: "other"}, "over one seen at another time": {Instance: "first", Seen: first.Seen.Add(-time.Second)},
	} {
		if got := joins(t, s, edgeOf("next"), over); got != first {
			t.Errorf("%s: %+v", what, got)
		}
	}
	now := renewed(t, s, first, 0)
	if got := joins(t, s, edgeOf("next"), &first); got != now {
		t.Errorf("over one that was heard of since: %+v", got)
	}
	now = joins(t, s, edgeOf("first"), nil)
	if got := joins(t, s, edgeOf("next"), &first); got != now {
		t.Errorf("over one that registered since: %+v", got)
	}
	wantMembers(t, s, now)
}

func joinOver(t *testing.T, with databases) {
	s := with.store()
	first := renewed(t, s, joins(t, s, edgeOf("first"), nil), 99)
	if err := s.SetMemberState(t.Context(), "edge-1", postgres.MemberLeaving); err != nil {
		t.Fatal(err)
	}
	next := joins(t, s, edgeOf("next"), &first)
	if next.Instance != "next" || next.Applied != 7 || next.State != postgres.MemberServing || !next.Registered.After(first.Registered) || !next.Seen.After(first.Seen) {
		t.Errorf("over the one that was seen: %+v", next)
	}
	renewed(t, s, next, 0)
	third := joins(t, s, edgeOf("third"), &postgres.Member{Instance: "next"})
	if third.Instance != "third" || !third.Registered.After(next.Registered) {
		t.Errorf("over one that has ended, whenever it was seen: %+v", third)
	}
	// One that was replaced has not left.
	if again := joins(t, s, edgeOf("first"), &third); again.Instance != "first" {
		t.Errorf("the first once more: %+v", again)
	}
	free := joins(t, s, postgres.Member{Node: "edge-2", Tier: "edge", Instance: "x"}, &first)
	if free.Instance != "x" {
		t.Errorf("over one that is not there: %+v", free)
	}
}

func joinDeparted(t *testing.T, with databases) {
	s := with.store()
	gone := joins(t, s, edgeOf("gone"), nil)
	if err := s.Leave(t.Context(), "edge-1", "gone", gone.Registered); err != nil {
		t.Fatal(err)
	}
	wantMembers(t, s)
	if _, err := s.Join(t.Context(), edgeOf("gone"), nil); !errors.Is(err, postgres.ErrDeparted) {
		t.Errorf("joined again: %v", err)
	}
	wantMembers(t, s)
	next := joins(t, s, edgeOf("next"), nil)
	if _, err := s.Join(t.Context(), edgeOf("gone"), &next); !errors.Is(err, postgres.ErrDeparted) {
		t.Errorf("in the place of another: %v", err)
	}
	if got := joins(t, s, edgeOf("gone"), nil); got != next {
		t.Errorf("where the name is taken: %+v", got)
	}
	wantMembers(t, s, next)
}

func leaveOnce(t *testing.T, with databases) {
	s := with.store()
	old := joins(t, s, edgeOf("i"), nil)
	if err := s.Remove(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	now := joins(t, s, edgeOf("i"), nil)
	for what, err := range map[string]error{
		"of an earlier registration": s.Leave(t.Context(), "edge-1", "i", old.Registered),
		"of another process":         s.Leave(t.Context(), "edge-1", "j", time.Time{}),
		"of another node":            s.Leave(t.Context(), "edge-2", "i", time.Time{}),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	wantMembers(t, s, now)
	again := joins(t, s, edgeOf("i"), nil) // none of these has left
	if again.Instance != "i" || !again.Registered.Equal(now.Registered) {
		t.Errorf("%+v", again)
	}
	for range 2 {
		if err := s.Leave(t.Context(), "edge-1", "i", time.Time{}); err != nil {
			t.Error(err)
		}
		wantMembers(t, s)
	}
}

func removeAsSeen(t *testing.T, with databases) {
	s := with.store()
	first := joins(t, s, edgeOf("i"), nil)
	now := renewed(t, s, first, 0)
	other := now
	other.Registered = now.Registered.Add(-time.Second)
	for what, m := range map[string]postgres.Member{"before it was heard of": first, "of another registration": other, "a stranger": {Node: "edge-2", Registered: now.Registered, Seen: now.Seen}} {
		if err := s.Remove(t.Context(), m); !errors.Is(err, postgres.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	wantMembers(t, s, now)
	if err := s.Remove(t.Context(), now); err != nil {
		t.Error(err)
	}
	wantMembers(t, s)
	joins(t, s, edgeOf("i"), nil) // it was removed, and has not left
}

func saveRenewals(t *testing.T, with databases) {
	s := with.store()
	one := joins(t, s, edgeOf("i"), nil)
	two := joins(t, s, postgres.Member{Node: "edge-2", Tier: "edge", Instance: "j", Applied: 8}, nil)
	if saved, err := s.SaveRenewals(t.Context(), nil); err != nil || len(saved) != 0 {
		t.Errorf("nothing: %+v, %v", saved, err)
	}
	saved, err := s.SaveRenewals(t.Context(), []postgres.Renewal{
		{Node: "edge-2", Registered: two.Registered, Applied: 3}, {Node: "stranger", Registered: one.Registered, Applied: 5},
		{Node: "edge-1", Registered: one.Registered, Applied: 9}, {Node: "edge-2", Registered: one.Registered, Applied: 99},
	})
	if err != nil || len(saved) != 2 {
		t.Fatalf("saved %+v, %v", saved, err)
	}
	members := membersOf(t, s)
	for i, before := range []postgres.Member{one, two} {
		want := before
		want.Applied, want.Seen = 9-uint64(i), saved[before.Node].Seen // an epoch never goes back
		if members[i] != want || !saved[before.Node].Before.Equal(before.Seen) || !want.Seen.After(before.Seen) {
			t.Errorf("%+v: %+v, then %+v", before, saved[before.Node], members[i])
		}
	}
	again := renewed(t, s, members[0], 10)
	if got := membersOf(t, s)[0]; got != again || !again.Seen.After(members[0].Seen) || !again.Registered.Equal(one.Registered) {
		t.Errorf("once more: %+v, then %+v", again, got)
	}
}

func memberStates(t *testing.T, with databases) {
	s, ctx := with.store(), t.Context()
	m := joins(t, s, edgeOf("i"), nil)
	if err := s.SetMemberState(ctx, "stranger", postgres.MemberLeaving); !errors.Is(err, postgres.ErrNotFound) {
		t.Errorf("of a stranger: %v", err)
	}
	if err := s.SetMemberState(ctx, "edge-1", "nonsense"); !errors.Is(err, postgres.ErrInvalid) {
		t.Errorf("no such state: %v", err)
	}
	wantMembers(t, s, m)
	for _, state := range []string{postgres.MemberLeaving, postgres.MemberServing} {
		if err := s.SetMemberState(ctx, "edge-1", state); err != nil {
			t.Error(err)
		}
		m.State = state
		wantMembers(t, s, m)
	}
}

func dropSilent(t *testing.T, with databases) {
	s, ctx := with.store(), t.Context()
	for _, node := range []string{"a", "b", "c", "d"} {
		joins(t, s, postgres.Member{Node: node, Tier: "edge", Instance: node}, nil)
	}
	all := membersOf(t, s)
	if dropped, err := s.DropMembers(ctx, time.Hour, all); err != nil || len(dropped) != 0 {
		t.Errorf("within the hour: %v, %v", dropped, err)
	}
	heard := renewed(t, s, all[1], 0)
	if dropped, err := s.DropMembers(ctx, 0, nil); err != nil || len(dropped) != 0 {
		t.Errorf("of none: %v, %v", dropped, err)
	}
	dropped, err := s.DropMembers(ctx, 0, all[:3])
	if slices.Sort(dropped); err != nil || !slices.Equal(dropped, []string{"a", "c"}) {
		t.Errorf("dropped %v, %v", dropped, err)
	}
	wantMembers(t, s, heard, all[3])
	joins(t, s, postgres.Member{Node: "a", Tier: "edge", Instance: "a"}, nil) // it has not left
}

func forgetDeparted(t *testing.T, with databases) {
	s, ctx := with.store(), t.Context()
	leaves := func(instance string) (joined bool) {
		t.Helper()
		m, err := s.Join(ctx, edgeOf(instance), nil)
		if errors.Is(err, postgres.ErrDeparted) {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Leave(ctx, "edge-1", instance, m.Registered); err != nil {
			t.Fatal(err)
		}
		return true
	}
	forget := func(olderThan time.Duration, keep int) {
		t.Helper()
		if err := s.ForgetDeparted(ctx, olderThan, keep); err != nil {
			t.Fatal(err)
		}
	}
	for _, instance := range []string{"a", "b", "c"} {
		if !leaves(instance) || leaves(instance) {
			t.Error(instance)
		}
	}
	forget(time.Hour, 10)
	if leaves("a") || leaves("b") || leaves("c") {
		t.Error("forgotten within the hour")
	}
	forget(time.Hour, 2) // the last ones
	if leaves("b") || leaves("c") || !leaves("a") {
		t.Error("others than the last two")
	}
	forget(0, 10)
	if !leaves("a") || !leaves("b") || !leaves("c") {
		t.Error("kept for longer")
	}
}
