package controllog_test

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

func TestReplica_AppliesAlongPrev(t *testing.T) {
	r := controllog.NewReplica(0)
	n, err := r.Apply(purgeOf(0, 100, "a"), purgeOf(100, 101, "b"), purgeOf(100, 101, "b"), purgeOf(102, 103, "c"))
	if n != 2 || !errors.Is(err, controllog.ErrGap) || r.Applied() != 101 {
		t.Errorf("%d, %v, applied %d", n, err, r.Applied())
	}
	wantCheck(t, r, 102, invalidation.Live, tag("c"))
	if n, err := r.Apply(purgeOf(99, 100, "d"), purgeOf(100, 101, "b"), purgeOf(101, 102), purgeOf(102, 103, "c")); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	wantCheck(t, r, 102, invalidation.Dead, tag("c"))
	wantCheck(t, r, 99, invalidation.Live, tag("d")) // was skipped
}

// TestReplica_EpochsAloneDoNotSayThatNothingIsMissing: 105 could be the next one, but is not.
func TestReplica_EpochsAloneDoNotSayThatNothingIsMissing(t *testing.T) {
	r := controllog.NewReplica(0)
	apply(t, r, purgeOf(0, 100, "a"))
	if n, err := r.Apply(purgeOf(104, 105, "b")); n != 0 || !errors.Is(err, controllog.ErrGap) {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := controllog.NewReplica(0).Apply(purgeOf(100, 101, "b")); n != 0 || !errors.Is(err, controllog.ErrGap) {
		t.Errorf("a new replica applied %d, %v", n, err)
	}
}

func TestReplica_HintMustBeFetched(t *testing.T) {
	r := controllog.NewReplica(0)
	apply(t, r, purgeOf(0, 100, "a"))
	hint := purgeOf(100, 101)
	hint.Hint = true
	if n, err := r.Apply(hint, purgeOf(101, 102, "b")); n != 0 || !errors.Is(err, controllog.ErrGap) || r.Applied() != 100 {
		t.Errorf("%d, %v, applied %d", n, err, r.Applied())
	}
	apply(t, r, purgeOf(100, 101, "a"))
	if n, err := r.Apply(hint); n != 0 || err != nil {
		t.Errorf("%d, %v of one that is applied", n, err)
	}
}

// TestReplica_EpochsAloneDoNotSayThatItIsTheSameLog: 101 follows another 100 than this one.
func TestReplica_EpochsAloneDoNotSayThatItIsTheSameLog(t *testing.T) {
	link := func(e controllog.Entry, before, chain uint64) controllog.Entry {
		e.PrevChain, e.Chain = before, chain
		return e
	}
	r := controllog.NewReplica(0)
	apply(t, r, purgeOf(0, 99, "unhashed"), link(purgeOf(99, 100, "a"), 0, 7))
	for _, before := range []uint64{8, 0} {
		if n, err := r.Apply(link(purgeOf(100, 101, "b"), before, 9)); n != 0 || !errors.Is(err, controllog.ErrBranch) {
			t.Errorf("behind %d: %d, %v", before, n, err)
		}
	}
	apply(t, r, link(purgeOf(100, 101, "b"), 7, 9))
	if at, chain := r.At(); at != 101 || chain != 9 {
		t.Errorf("%d, %d", at, chain)
	}
	image := r.Image()
	unhashed := controllog.CompactedImage(101, nil, nil)
	for name, m := range map[string]*controllog.Image{"image": image, "image without": unhashed} {
		restored := controllog.NewReplica(0)
		if err := restored.Restore(m); err != nil {
			t.Fatal(err)
		}
		if _, err := restored.Apply(link(purgeOf(101, 102, "c"), 1, 2)); errors.Is(err, controllog.ErrBranch) != (m == image) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestImage_DisownKillsTheStampsOfTheBranch(t *testing.T) {
	r := controllog.NewReplica(0)
	apply(t, r, purgeOf(0, 100, "a"), purgeOf(100, 105, "b"))
	for through, alive := range map[uint64]uint64{103: 105, 104: 105, 105: 106} {
		m := r.Image()
		before := *m.Index
		m.Disown(through)
		other := controllog.NewReplica(0)
		if err := other.Restore(m); err != nil || other.Applied() != 105 {
			t.Fatalf("%v, applied %d", err, other.Applied())
		}
		wantCheck(t, other, alive-1, invalidation.Dead, tag("x"))
		wantCheck(t, other, alive, invalidation.Live, tag("x"))
		wantCheck(t, r, 100, invalidation.Live, tag("x"))
		if before.Hard != 0 {
			t.Error("the replica's own floor was raised")
		}
	}
}

func TestReplica_TermLeavesAHole(t *testing.T) {
	for purge, want := range map[string]struct{ before, hole invalidation.Verdict }{
		"": {invalidation.Live, invalidation.Dead}, "soft": {invalidation.Stale, invalidation.Dead},
		"hard": {invalidation.Dead, invalidation.Dead}, "something new": {invalidation.Dead, invalidation.Dead},
	} {
		r := controllog.NewReplica(0)
		apply(t, r, purgeOf(0, 100, "a"), termOf(100, 200, purge))
		wantCheck(t, r, 100, want.before, tag("b"))
		wantCheck(t, r, 101, want.hole, tag("b"))
		wantCheck(t, r, 199, want.hole, tag("b"))
		wantCheck(t, r, 200, invalidation.Live, tag("b"))
	}
	r := controllog.NewReplica(0)
	apply(t, r, controllog.Entry{Epoch: 200, Kind: controllog.KindTerm})
	wantCheck(t, r, 0, invalidation.Dead)
}

// TestReplica_LostBranchIsReset has applied 101 and 102 of a server that was then restored to 100.
func TestReplica_LostBranchIsReset(t *testing.T) {
	lost, kept := controllog.NewReplica(0), controllog.NewReplica(0)
	apply(t, lost, purgeOf(0, 100, "a"), serviceOf(100, 101, "lost", 1), purgeOf(101, 102, "lost"))
	apply(t, kept, purgeOf(0, 100, "a"), termOf(100, 200, ""), purgeOf(200, 201, "b"))
	if n, err := lost.Apply(purgeOf(200, 201, "b")); n != 0 || !errors.Is(err, controllog.ErrGap) {
		t.Errorf("what comes after the term: %d, %v", n, err)
	}
	for _, e := range []controllog.Entry{termOf(100, 200, ""), purgeOf(101, 103, "c")} {
		if n, err := lost.Apply(e); n != 0 || !errors.Is(err, controllog.ErrReset) || lost.Applied() != 102 {
			t.Errorf("%s: %d, %v, applied %d", e.Kind, n, err, lost.Applied())
		}
	}
	if err := lost.Restore(kept.Image()); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(lost.Image(), kept.Image()) {
		t.Errorf("%+v, want %+v", lost.Image(), kept.Image())
	}
	wantCheck(t, lost, 101, invalidation.Dead, tag("x")) // a stamp of the lost branch
	wantCheck(t, lost, 100, invalidation.Live, tag("lost"))
}

func TestReplica_ServicesAndTokens(t *testing.T) {
	r := controllog.NewReplica(0)
	versions := func() [2]uint64 { return [2]uint64{r.ServicesVersion(), r.TokensVersion()} }
	v0 := versions()
	apply(t, r, serviceOf(0, 1, "b", 1), serviceOf(1, 2, "a", 1), serviceOf(2, 3, "b", 2))
	v1 := versions()
	if v1[0] == v0[0] || v1[1] != v0[1] {
		t.Errorf("versions %v, then %v", v0, v1)
	}
	apply(t, r, tokenOf(3, 4, "y", false), tokenOf(4, 5, "x", false), tokenOf(5, 6, "z", false), tokenOf(6, 7, "y", true))
	v2 := versions()
	if v2[0] != v1[0] || v2[1] == v1[1] {
		t.Errorf("versions %v, then %v", v1, v2)
	}
	want := []controllog.ServiceChange{*serviceOf(0, 1, "a", 1).Service, *serviceOf(0, 1, "b", 2).Service}
	if got := r.Services(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := r.Tokens(); len(got) != 2 || got[0].ID != "x" || got[1].ID != "z" {
		t.Errorf("%+v", got)
	}
	mute := serviceOf(7, 8, "a", 1)
	mute.Service = nil
	gone := serviceOf(8, 9, "a", 2)
	gone.Service.Document = nil
	apply(t, r, mute)
	if len(r.Services()) != 2 || r.Applied() != 8 || versions() != v2 {
		t.Errorf("what could not be read changed something: %+v", r.Services())
	}
	apply(t, r, gone)
	if got := r.Services(); len(got) != 1 || got[0].Name != "b" {
		t.Errorf("%+v", got)
	}
}

// TestReplica_DeliveryChangesNothingButTime delivers a log as core NATS may, entries lost, repeated and out of
// order, and fetches what is missing: the result is that of the log read in order.
func TestReplica_DeliveryChangesNothingButTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawLog(t)
		want := controllog.NewReplica(4)
		if _, err := want.Apply(log...); err != nil {
			t.Fatal(err)
		}
		r := controllog.NewReplica(4)
		messages := rapid.SliceOf(rapid.SampledFrom(log)).Draw(t, "messages")
		for _, m := range append(messages, log[len(log)-1]) {
			m.Hint = rapid.Bool().Draw(t, "hint")
			_, err := r.Apply(m)
			if err == nil {
				continue
			}
			if !errors.Is(err, controllog.ErrGap) {
				t.Fatal(err)
			}
			if _, err := r.Apply(fetched(log, r.Applied(), m.Epoch)...); err != nil || r.Applied() != m.Epoch {
				t.Fatalf("%v, applied %d of %d", err, r.Applied(), m.Epoch)
			}
		}
		if got, want := r.Image(), want.Image(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

// drawLog is a log with terms, some of them with holes, and entries of all kinds.
func drawLog(t *rapid.T) []controllog.Entry {
	var log []controllog.Entry
	prev := uint64(0)
	for range rapid.IntRange(1, 30).Draw(t, "entries") {
		name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "name")
		next := prev + 1
		var e controllog.Entry
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			next += rapid.Uint64Range(0, 50).Draw(t, "hole")
			e = termOf(prev, next, rapid.SampledFrom([]string{"", "soft", "hard"}).Draw(t, "purge"))
		case 1:
			e = serviceOf(prev, next, name, int(next))
		case 2:
			e = tokenOf(prev, next, name, rapid.Bool().Draw(t, "revoked"))
		default:
			e = purgeOf(prev, next, name)
			e.Mode = rapid.SampledFrom([]invalidation.Mode{hard, soft}).Draw(t, "mode")
		}
		log, prev = append(log, e), next
	}
	return log
}

// fetched is the log behind after, up to an epoch.
func fetched(log []controllog.Entry, after, last uint64) []controllog.Entry {
	return slices.DeleteFunc(slices.Clone(log), func(e controllog.Entry) bool { return e.Epoch <= after || e.Epoch > last })
}

// TestReplica_PublishesAnEpochAfterItsPurge has readers who look for the last of many scopes of each purge.
// INVARIANT: what an entry says is in place before its epoch is published.
func TestReplica_PublishesAnEpochAfterItsPurge(t *testing.T) {
	const last = 300
	r := controllog.NewReplica(1 << 10)
	scopes := make([]object.Scope, 512)
	for i := range scopes {
		scopes[i] = invalidation.TagScope("many", string(rune('a'+i)))
	}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for applied := r.Applied(); applied < last; applied = r.Applied() {
				if applied == 0 {
					continue
				}
				if got := r.Index().Check(applied-1, scopes[len(scopes)-1:]); got != invalidation.Dead {
					t.Errorf("applied %d, but its purge is missing: %s", applied, got)
					return
				}
			}
		})
	}
	for epoch := range uint64(last) {
		e := purgeOf(epoch, epoch+1)
		e.Scopes = scopes
		apply(t, r, e)
	}
	readers.Wait()
}
