package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// joins registers a member, over nobody unless over is given, and returns the row that stands then.
func joins(t *testing.T, s *Store, m Member, over ...*Member) Member {
	t.Helper()
	var process *Member
	if len(over) > 0 {
		process = over[0]
	}
	row, err := s.Join(t.Context(), m, process)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func membersOf(t *testing.T, s *Store) []Member {
	t.Helper()
	members, err := s.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return members
}

func TestMembers_JoinReportLeave(t *testing.T) {
	ctx := t.Context()
	s := open(t, Config{})
	one := joins(t, s, Member{Node: "edge-1", Tier: "edge", Region: "eu", Addr: "127.0.0.1:8080", Instance: "i", Applied: 7})
	two := joins(t, s, Member{Node: "edge-2", Tier: "edge", Region: "eu", Addr: "127.0.0.1:8081", Instance: "j", Applied: 8})
	saved, err := s.SaveRenewals(ctx, []Renewal{
		{"edge-1", one.Registered, 9}, {"edge-2", two.Registered, 3}, {"stranger", one.Registered, 5}, {"edge-2", one.Registered, 99},
	})
	members := membersOf(t, s)
	if err != nil || len(members) != 2 || members[0].Applied != 9 || members[1].Applied != 8 || members[0].State != MemberServing {
		t.Fatalf("%+v, %v", members, err)
	}
	for i, before := range []Member{one, two} {
		got := saved[before.Node]
		if !got.Before.Equal(before.Seen) || !got.Seen.After(before.Seen) || !got.Seen.Equal(members[i].Seen) || members[i].Instance != before.Instance {
			t.Errorf("%+v: %+v, then %+v", before, got, members[i])
		}
	}
	if len(saved) != 2 {
		t.Errorf("saved %+v", saved)
	}
	if err := s.SetMemberState(ctx, "edge-1", MemberLeaving); err != nil {
		t.Fatal(err)
	}
	if err := s.SetMemberState(ctx, "stranger", MemberLeaving); !errors.Is(err, ErrNotFound) {
		t.Errorf("state of a stranger: %v", err)
	}
	if err := s.SetMemberState(ctx, "edge-1", "nonsense"); !errors.Is(err, ErrInvalid) {
		t.Errorf("no such state: %v", err)
	}
	again := joins(t, s, Member{Node: "edge-1", Tier: "edge", Region: "us", Addr: "127.0.0.1:9", Instance: "i", Applied: 4})
	if again.Applied != 9 || again.State != MemberLeaving || again.Region != "us" || !again.Registered.Equal(one.Registered) || !again.Seen.After(members[0].Seen) {
		t.Errorf("the same process: %+v", again)
	}
	next := joins(t, s, Member{Node: "edge-1", Tier: "edge", Instance: "k", Applied: 4}, &again)
	if next.Applied != 4 || next.State != MemberServing || !next.Registered.After(one.Registered) {
		t.Errorf("the next one: %+v", next)
	}
	for range 2 {
		if err := s.Leave(ctx, "edge-1", "k", time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if left := membersOf(t, s); len(left) != 1 || left[0].Node != "edge-2" {
		t.Errorf("left: %+v", left)
	}
}

// Another process takes a row only in the state that it names.
func TestMembers_JoinInThePlaceOfAnother(t *testing.T) {
	s := open(t, Config{})
	first := joins(t, s, Member{Node: "edge-1", Tier: "edge", Instance: "first"})
	next := Member{Node: "edge-1", Tier: "edge", Instance: "next"}
	if got := joins(t, s, next); got != first {
		t.Errorf("over nobody: %+v", got)
	}
	if got := joins(t, s, next, &Member{Instance: "other"}); got != first {
		t.Errorf("over somebody else: %+v", got)
	}
	if _, err := s.SaveRenewals(t.Context(), []Renewal{{"edge-1", first.Registered, 0}}); err != nil {
		t.Fatal(err)
	}
	if got := joins(t, s, next, &first); got.Instance != "first" {
		t.Errorf("over one that was heard of since: %+v", got)
	}
	seen := membersOf(t, s)[0]
	taken := joins(t, s, next, &seen)
	if taken.Instance != "next" || !taken.Registered.After(first.Registered) || !taken.Seen.After(seen.Seen) {
		t.Errorf("over the one that was seen: %+v", taken)
	}
	if got := joins(t, s, Member{Node: "edge-1", Tier: "edge", Instance: "third"}, &Member{Instance: "next"}); got.Instance != "third" {
		t.Errorf("over one that has left: %+v", got)
	}
}

func TestMembers_WhatIsRemovedIsTheRegistrationThatIsMeant(t *testing.T) {
	ctx := t.Context()
	s := open(t, Config{})
	old := joins(t, s, Member{Node: "edge-1", Tier: "edge", Instance: "i"})
	if err := s.Remove(ctx, old); err != nil {
		t.Fatal(err)
	}
	now := joins(t, s, Member{Node: "edge-1", Tier: "edge", Instance: "i"})
	if err := errors.Join(s.Leave(ctx, "edge-1", "i", old.Registered), s.Leave(ctx, "edge-1", "j", time.Time{})); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(ctx, old); !errors.Is(err, ErrConflict) {
		t.Errorf("removed as it was: %v", err)
	}
	if got := membersOf(t, s); len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	if err := s.Remove(ctx, now); err != nil {
		t.Error(err)
	}
	if got := membersOf(t, s); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestMembers_DropsThoseOfTheSilentThatWereNotHeardOfForLong(t *testing.T) {
	s := open(t, Config{})
	for _, node := range []string{"back", "gone", "live", "young"} {
		joins(t, s, Member{Node: node, Tier: "edge", Instance: node})
	}
	execute(t, s, "UPDATE tiercache.members SET seen_at = seen_at - interval '25 h' WHERE node <> 'young'")
	all := membersOf(t, s)
	back, gone, young := all[0], all[1], all[3]
	if _, err := s.SaveRenewals(t.Context(), []Renewal{{"back", back.Registered, 0}}); err != nil {
		t.Fatal(err)
	}
	execute(t, s, "UPDATE tiercache.members SET seen_at = seen_at - interval '26 h' WHERE node = 'back'")
	if dropped, err := s.DropMembers(t.Context(), 24*time.Hour, []Member{back, gone, young}); err != nil || fmt.Sprint(dropped) != "[gone]" {
		t.Errorf("dropped %v, %v", dropped, err)
	}
}

// A process that has left is no member again, until that is forgotten.
func TestMembers_WhoHasLeft(t *testing.T) {
	ctx := t.Context()
	s := open(t, Config{})
	left := func(instance string) bool {
		t.Helper()
		_, err := s.Join(ctx, Member{Node: "edge-1", Tier: "edge", Instance: instance}, nil)
		if err != nil && !errors.Is(err, ErrDeparted) {
			t.Fatal(err)
		}
		if n := len(membersOf(t, s)); n == 0 != (err != nil) {
			t.Errorf("%d members, %v", n, err)
		}
		if err == nil {
			err = s.Leave(ctx, "edge-1", instance, time.Time{})
		} else {
			return true
		}
		if err != nil {
			t.Fatal(err)
		}
		return false
	}
	for _, instance := range []string{"a", "b", "c"} {
		if left(instance) || !left(instance) {
			t.Errorf("%s", instance)
		}
	}
	execute(t, s, "UPDATE tiercache.departed SET at = at - interval '1 h' WHERE instance = 'a'")
	if err := s.ForgetDeparted(ctx, time.Minute, 1); err != nil {
		t.Fatal(err)
	}
	if left("a") || left("b") || !left("c") {
		t.Error("kept for another time, or others than the last")
	}
}

func TestMembers_AsManyOfATierAsThereMayBe(t *testing.T) {
	s := open(t, Config{MaxMembers: 2})
	for _, m := range []Member{
		{Node: "edge-1", Tier: "edge", Instance: "a"}, {Node: "edge-2", Tier: "edge", Instance: "b"}, {Node: "regional-1", Tier: "regional", Instance: "c"},
	} {
		joins(t, s, m)
	}
	before := membersOf(t, s)[0]
	if again := joins(t, s, Member{Node: "edge-1", Tier: "edge", Instance: "a"}); !again.Seen.After(before.Seen) {
		t.Errorf("one that is a member: %+v", again)
	}
	if next := joins(t, s, Member{Node: "edge-1", Tier: "edge", Instance: "d"}, &Member{Instance: "a"}); next.Instance != "d" {
		t.Errorf("its successor: %+v", next)
	}
	third := Member{Node: "edge-3", Tier: "edge", Instance: "e"}
	if _, err := s.Join(t.Context(), third, nil); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "2 members of the tier edge") {
		t.Errorf("one more: %v", err)
	}
	if err := s.Leave(t.Context(), "edge-2", "b", time.Time{}); err != nil {
		t.Fatal(err)
	}
	joins(t, s, third)
}
