package controllog_test

import (
	"testing"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/policy"
)

const (
	hard = invalidation.Hard
	soft = invalidation.Soft
)

var noon = time.Date(2026, 5, 17, 12, 0, 0, int(250*time.Millisecond), time.UTC)

func tag(name string) object.Scope { return invalidation.TagScope("", name) }

// purgeOf is a hard purge of tags.
func purgeOf(prev, epoch uint64, tags ...string) controllog.Entry {
	e := controllog.Entry{Epoch: epoch, Prev: prev, Time: noon, ID: "p", Kind: controllog.KindPurge, Mode: hard}
	for _, t := range tags {
		e.Scopes = append(e.Scopes, tag(t))
	}
	return e
}

func serviceOf(prev, epoch uint64, name string, version int) controllog.Entry {
	return controllog.Entry{Epoch: epoch, Prev: prev, Time: noon, ID: "s", Kind: controllog.KindService, Service: &controllog.ServiceChange{
		Name: name, Version: version, Document: document(name),
	}}
}

func document(name string) *policy.Service {
	ttl := time.Minute
	return &policy.Service{Name: name, Hosts: []string{"shop.example"}, Upstream: "origin", Timeout: 30 * time.Second, Rules: []policy.Rule{{TTL: &ttl}}}
}

func tokenOf(prev, epoch uint64, id string, revoked bool) controllog.Entry {
	return controllog.Entry{Epoch: epoch, Prev: prev, Time: noon, ID: "t", Kind: controllog.KindToken, Token: &controllog.TokenChange{
		ID: id, Name: "ci", Hash: "sha256:00", Roles: "read,purge", Services: []string{"shop"}, Revoked: revoked,
	}}
}

func termOf(prev, epoch uint64, purge string) controllog.Entry {
	return controllog.Entry{Epoch: epoch, Prev: prev, Time: noon, ID: "n", Kind: controllog.KindTerm, Term: &controllog.TermChange{Reason: "restart", Purge: purge}}
}

// samples is one entry of each kind, in a chain, as the first version has them.
func samples() []controllog.Entry {
	gone := serviceOf(105, 106, "old", 0)
	gone.Service.Document = nil
	mute := serviceOf(106, 107, "", 0)
	mute.Service = nil
	mild := purgeOf(108, 109, "c")
	mild.Mode = soft
	hint := purgeOf(109, 110)
	hint.Hint = true
	return []controllog.Entry{
		purgeOf(0, 100, "a", "b"), serviceOf(100, 101, "shop", 3), tokenOf(101, 102, "t1", false), termOf(102, 104, "soft"),
		tokenOf(104, 105, "t1", true), gone, mute, {Epoch: 108, Prev: 107, Time: noon, Kind: controllog.KindPurge, Mode: hard, Scopes: []object.Scope{invalidation.AllScope()}},
		mild, hint,
	}
}

// chained are samples with hashes.
func chained() []controllog.Entry {
	entries := samples()
	chain := uint64(0)
	for i := range entries {
		entries[i].PrevChain = chain
		chain = 0xc0ffee0000 + entries[i].Epoch
		entries[i].Chain = chain
	}
	return entries
}

func apply(t *testing.T, r *controllog.Replica, entries ...controllog.Entry) {
	t.Helper()
	if n, err := r.Apply(entries...); err != nil || n != len(entries) {
		t.Fatalf("%d of %d entries were applied: %v", n, len(entries), err)
	}
}

func wantCheck(t *testing.T, r *controllog.Replica, stamp uint64, want invalidation.Verdict, scopes ...object.Scope) {
	t.Helper()
	if got := r.Index().Check(stamp, scopes); got != want {
		t.Errorf("stamp %d is %s, want %s", stamp, got, want)
	}
}
