package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/token"
)

func newToken(id string) controllog.TokenChange {
	return controllog.TokenChange{ID: id, Name: "name of " + id, Hash: token.Hash(id), Roles: "purge", Services: []string{"a"}}
}

func addToken(t testing.TB, s *Store, id string) {
	t.Helper()
	if _, err := s.AddToken(context.Background(), newToken(id), admin()); err != nil {
		t.Fatal(err)
	}
}

func TestToken_FromCreationToRevocation(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	addToken(t, s, "t1")
	for name, change := range map[string]func(*controllog.TokenChange){
		"the id": func(c *controllog.TokenChange) { c.Hash = token.Hash("x") }, "the hash": func(c *controllog.TokenChange) { c.ID = "t2" },
	} {
		again := newToken("t1")
		change(&again)
		if _, err := s.AddToken(ctx, again, admin()); !errors.Is(err, ErrConflict) {
			t.Errorf("%s again: %v", name, err)
		}
	}
	if _, err := s.AddToken(ctx, controllog.TokenChange{ID: "t3"}, admin()); !errors.Is(err, ErrInvalid) {
		t.Errorf("without a hash: %v", err)
	}
	if _, err := s.RevokeToken(ctx, "nobody", admin()); !errors.Is(err, ErrNotFound) {
		t.Errorf("revoke an unknown one: %v", err)
	}
	id, err := s.RevokeToken(ctx, "t1", admin())
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := follow(t, s, head)
	if len(rows) != 2 || rows[1].ID != id {
		t.Fatalf("the log has %v", ids(rows))
	}
	made, err1 := rows[0].Entry()
	ended, err2 := rows[1].Entry()
	if err1 != nil || err2 != nil || made.Token.Revoked || made.Token.Services[0] != "a" || !ended.Token.Revoked || ended.Token.Hash != made.Token.Hash {
		t.Errorf("made %+v, ended %+v", made.Token, ended.Token)
	}
	if _, err := s.RevokeToken(ctx, "t1", Actor{Name: "late"}); err != nil {
		t.Errorf("revoke again: %v", err)
	}
	all, err := s.Tokens(ctx)
	if err != nil || len(all) != 1 || !all[0].Revoked || all[0].RevokedBy != "admin" || all[0].RevokedAt.IsZero() || all[0].CreatedBy != "admin" {
		t.Errorf("tokens: %+v, %v", all, err)
	}
}

func TestActivity_NewestFirst(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	for i := range 4 {
		if err := s.AddActivity(ctx, Activity{Who: "w", From: "f", Action: "a", Subject: fmt.Sprint(i), Detail: "d"}); err != nil {
			t.Fatal(err)
		}
	}
	first, err := s.Activities(ctx, 0, 3)
	if err != nil || len(first) != 3 || first[0].Subject != "3" || first[0].At.IsZero() || first[0].Detail != "d" {
		t.Fatalf("%+v, %v", first, err)
	}
	if rest, err := s.Activities(ctx, first[2].ID, 3); err != nil || len(rest) != 1 || rest[0].Subject != "0" {
		t.Errorf("%+v, %v", rest, err)
	}
}

func TestMembers_JoinReportLeave(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	join := func(m Member) {
		t.Helper()
		if err := s.Join(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	join(Member{Node: "edge-1", Tier: "edge", Region: "eu", Addr: "127.0.0.1:8080", Applied: 7})
	join(Member{Node: "edge-2", Tier: "edge", Region: "eu", Addr: "127.0.0.1:8081", Applied: 8})
	if err := s.SaveApplied(ctx, map[string]uint64{"edge-1": 9, "edge-2": 3, "stranger": 5}); err != nil {
		t.Fatal(err)
	}
	members, err := s.Members(ctx)
	if err != nil || len(members) != 2 || members[0].Applied != 9 || members[1].Applied != 8 || members[0].State != MemberServing || members[0].Registered.IsZero() || members[0].Seen.Before(members[0].Registered) {
		t.Fatalf("%+v, %v", members, err)
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
	join(Member{Node: "edge-1", Tier: "edge", Region: "us", Addr: "127.0.0.1:9", Applied: 4})
	again, err := s.Members(ctx)
	if err != nil || again[0].Applied != 4 || again[0].State != MemberServing || again[0].Region != "us" || !again[0].Registered.After(members[0].Registered) {
		t.Errorf("joined again: %+v, %v", again, err)
	}
	execute(t, s, "UPDATE tiercache.members SET seen_at = seen_at - interval '25 h' WHERE node = 'edge-2'")
	if gone, err := s.DropMembers(ctx, 24*time.Hour); err != nil || fmt.Sprint(gone) != "[edge-2]" {
		t.Errorf("dropped %v, %v", gone, err)
	}
	for range 2 {
		if err := s.Leave(ctx, "edge-1"); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := s.Members(ctx); err != nil || len(left) != 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}
