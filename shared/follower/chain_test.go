package follower

import (
	"testing"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

const base = uint64(1_000_000)

// entry is the n-th purge of a log.
func entry(n uint64) controllog.Entry {
	return controllog.Entry{Epoch: base + n, Prev: base + n - 1, Kind: controllog.KindPurge, Mode: invalidation.Hard}
}

// chainOf is a loop whose exchanges the test makes, and which has applied the entry 0.
func chainOf(t *testing.T, member bool) *loop {
	t.Helper()
	f, err := New(Config{Node: "edge-1", Tier: "edge", Member: member}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(f, func() {})
	first := entry(0)
	first.Prev = 0
	l.hear(&first)
	if f.Applied() != base {
		t.Fatalf("applied %d", f.Applied())
	}
	return l
}

func (l *loop) hearOnly(n uint64) {
	e := entry(n)
	e.Hint = true // so that it is not applied
	l.hear(&e)
}

func (l *loop) aimsAt(t *testing.T, n uint64) {
	t.Helper()
	if l.target != base+n {
		t.Errorf("aims at %d, want %d", int64(l.target)-int64(base), n)
	}
}

// An entry is heard of while a fetch is under way, whose answer does not have it yet.
func TestTarget_WhatIsHeardWhileAFetchIsUnderWay(t *testing.T) {
	for _, member := range []bool{true, false} {
		l := chainOf(t, member)
		l.sinceFetch = 0 // a fetch begins
		l.hearOnly(1)
		l.arrived(&fetch{seq: 1, after: base, head: base})
		l.aimsAt(t, 1)
		if l.fetchAt.IsZero() {
			t.Error("it is not fetched")
		}
	}
}

func TestTarget_WhatIsHeardWhileARenewalIsUnderWay(t *testing.T) {
	l := chainOf(t, true)
	l.sinceRenew = 0 // a renewal begins
	l.hearOnly(2)
	l.answer(&renewal{seq: 1, applied: base, reply: controllog.RenewReply{Head: base + 1}})
	l.aimsAt(t, 2)
	// Or another exchange says where the log ends, and that later.
	l.sinceRenew, l.sinceFetch = 0, 0
	l.answer(&renewal{seq: 2, applied: base, reply: controllog.RenewReply{Head: base + 5}})
	if err := l.take(&fetch{seq: 3, after: base, head: base + 4}); err != nil {
		t.Fatal(err)
	}
	l.aimsAt(t, 5)
}

// An epoch of a branch that was lost, or that never was, is not looked for for ever.
func TestTarget_WhatIsNotInTheLog(t *testing.T) {
	for name, answer := range map[string]func(*loop){
		"a renewal says where the log ends": func(l *loop) {
			l.sinceRenew = 0
			l.hearOnly(1)
			l.answer(&renewal{seq: 2, applied: base, reply: controllog.RenewReply{Head: base + 1}})
		},
		"a fetch finds nothing more": func(l *loop) {
			l.sinceFetch = 0
			l.hearOnly(1)
			l.arrived(&fetch{seq: 2, after: base, head: base + 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := chainOf(t, true)
			l.hearOnly(1000)
			l.aimsAt(t, 1000)
			answer(l)
			l.aimsAt(t, 1)
			if err := l.take(&fetch{seq: 3, after: base, head: base + 1, entries: []controllog.Entry{entry(1)}}); err != nil {
				t.Fatal(err)
			}
			l.settle()
			if !l.fetchAt.IsZero() || !l.f.caughtUp.Load() && l.answered {
				t.Errorf("a fetch is due at %v", l.fetchAt)
			}
		})
	}
}

// Entries that a fetch brought say nothing of what else was heard of.
func TestTarget_APartOfWhatIsMissing(t *testing.T) {
	l := chainOf(t, true)
	l.hearOnly(9)
	l.sinceFetch = 0
	if err := l.take(&fetch{seq: 1, after: base, head: base + 1, entries: []controllog.Entry{entry(1)}}); err != nil {
		t.Fatal(err)
	}
	l.aimsAt(t, 9)
}

// What came by itself may be of a branch that somebody else goes on with; what control sends is the log.
func TestBranch_ControlSaysWhichOneIsTheLog(t *testing.T) {
	const ours, other = 7, 8
	foreign := entry(2)
	foreign.PrevChain = other
	for name, fetched := range map[string]*fetch{
		"entries behind another one": {after: base + 1, chain: ours, head: base + 2, entries: []controllog.Entry{foreign}},
		"control says so":            {after: base + 1, chain: ours, head: base + 1, branched: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := chainOf(t, true)
			own := entry(1)
			own.Chain = ours
			l.hear(&own)
			l.f.lease.Grant(time.Now(), base+1)
			l.settle()
			l.hear(&foreign)
			if l.f.Applied() != base+1 || l.whole || l.fetchAt.IsZero() || !l.f.lease.Live(time.Now()) {
				t.Fatalf("heard: applied %d, whole %t, fetch at %v", l.f.Applied(), l.whole, l.fetchAt)
			}
			l.seq++
			renewing := &renewal{seq: l.seq, applied: base + 1, chain: ours, reply: controllog.RenewReply{Branched: true, Refused: "it is another branch"}}
			if err := l.take(fetched); err != nil || !l.whole || l.f.lease.Live(time.Now()) || l.f.stats.Branches.Load() != 1 {
				t.Fatalf("fetched: %v, whole %t, %d branches", err, l.whole, l.f.stats.Branches.Load())
			}
			image := &controllog.Image{Chain: other, Index: &invalidation.Snapshot{Applied: base + 1}}
			if err := l.restore(&fetch{whole: true, image: image}); err != nil || l.whole || l.disown {
				t.Fatalf("restored: %v", err)
			}
			scopes := []object.Scope{invalidation.TagScope("", "x")}
			if got := l.f.Index().Check(base+1, scopes); got != invalidation.Dead {
				t.Errorf("a stamp of the other branch is %s", got)
			}
			l.answer(renewing)
			if l.whole || l.f.stats.Branches.Load() != 1 {
				t.Error("an answer about the view before replaces this one")
			}
			if l.hear(&foreign); l.f.Applied() != base+2 {
				t.Errorf("it does not go on: applied %d", l.f.Applied())
			}
		})
	}
}
