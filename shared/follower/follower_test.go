package follower_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/follower"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/testkit"
)

// rounds is how often the time is taken of what must be quick: more often than a busy machine is slow in a row.
const rounds = 20

func TestFollower_IsReadyOnceItHasJoinedAndAppliedTheHead(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	c.add(purgeOf("a"))
	c.add(serviceOf("shop", 1))
	b := c.connect("edge")
	c.set(func(c *control) { c.mu.noFetch = true })
	c.set(func(c *control) { c.mu.compacted = 0 })
	cfg := c.edge()
	cfg.ControlURL = "" // no image: entries only
	n, begin := prepare(t, cfg, follower.Deps{Bus: b})
	began := make(chan struct{})
	go func() { defer close(began); begin() }()
	eventually(t, "joined", func() bool {
		return get(c, func(c *control) bool { return len(c.mu.members) == 1 && c.mu.fetches > 1 })
	})
	select {
	case <-began:
		t.Error("ready before it had applied the head")
	default:
	}
	if n.Live(time.Now()) {
		t.Error("live before it had applied the head")
	}
	c.set(func(c *control) { c.mu.noFetch = false })
	select {
	case <-began:
	case <-time.After(deadline):
		t.Fatal("not ready")
	}
	if n.Applied() != c.head() || !n.Live(time.Now()) {
		t.Errorf("applied %d of %d, live %v", n.Applied(), c.head(), n.Live(time.Now()))
	}
	if joins := get(c, func(c *control) bool { return c.mu.renews[0].Join }); !joins {
		t.Error("the first renewal does not join")
	}
	if got := n.Check(first-1, scopesOf("a")); got != invalidation.Dead {
		t.Errorf("got %v", got)
	}
	if got := n.detail(); got != "connected over NATS" {
		t.Errorf("got %q", got)
	}
}

func TestFollower_AppliesWhatIsPublishedAndReportsIt(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	testkit.InOneOf(t, rounds, func() error {
		fetches, entries := n.Stats().Fetches.Load(), n.Stats().Entries.Load()
		e := c.purge("a")
		published := time.Now()
		eventually(t, "applied", func() bool { return n.Applied() == e.Epoch })
		eventually(t, "reported", func() bool { return c.reported("edge-1") == e.Epoch })
		took := time.Since(published)
		if n.AppliedAt(time.Now()) != e.Epoch || n.Stats().Entries.Load() != entries+1 {
			t.Errorf("applied %d of %d, %d entries", n.AppliedAt(time.Now()), e.Epoch, n.Stats().Entries.Load()-entries)
		}
		if fetches = n.Stats().Fetches.Load() - fetches; fetches > 0 || took > controllog.RenewInterval*3/4 {
			return fmt.Errorf("it took %v and %d fetches", took, fetches)
		}
		return nil
	})
}

// G6: messages that are lost, repeated or out of order change nothing but time.
func TestFollower_LostRepeatedAndReorderedMessages(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	random := rand.New(rand.NewPCG(1, 2))
	tags := strings.Split("abcdefghij", "")
	var held []controllog.Entry
	for i := range 2000 {
		e := c.add(purgeOf(tags[random.IntN(len(tags))]))
		held = append(held, e)
		for len(held) > 0 && random.IntN(3) > 0 {
			k := random.IntN(len(held))
			switch e := held[k]; random.IntN(4) {
			case 0: // lost
				held = append(held[:k], held[k+1:]...)
			case 1: // repeated
				c.publish(e)
			default:
				c.publish(e)
				held = append(held[:k], held[k+1:]...)
			}
		}
		if i%100 == 0 {
			c.flush()
		}
	}
	eventually(t, "caught up", func() bool { return n.Applied() == c.head() })
	eventually(t, "live", func() bool { return n.Live(time.Now()) })
	want := controllog.NewReplica(0)
	if _, err := want.Apply(c.mu.log...); err != nil {
		t.Fatal(err)
	}
	for stamp := first - 1; stamp <= c.head(); stamp++ {
		for _, tag := range tags {
			if got, want := n.Check(stamp, scopesOf(tag)), want.Index().Check(stamp, scopesOf(tag)); got != want {
				t.Fatalf("%d %s: got %v, want %v", stamp, tag, got, want)
			}
		}
	}
	if n.Stats().Gaps.Load() == 0 || n.Stats().Fetches.Load() == 0 || n.Stats().Resets.Load() > 0 {
		t.Errorf("%d gaps, %d fetches, %d resets", n.Stats().Gaps.Load(), n.Stats().Fetches.Load(), n.Stats().Resets.Load())
	}
}

func TestFollower_MessagesThatOvertakeEachOtherCostNoFetch(t *testing.T) {
	c := newControl(t).start()
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	c.purge("x")
	eventually(t, "applied", func() bool { return n.Applied() == c.head() })
	testkit.InOneOf(t, rounds, func() error {
		gaps, fetches := n.Stats().Gaps.Load(), n.Stats().Fetches.Load()
		one, two, three := c.add(purgeOf("a")), c.add(purgeOf("b")), c.add(purgeOf("c"))
		c.publish(three)
		c.publish(two)
		c.publish(one)
		eventually(t, "applied", func() bool { return n.Applied() == three.Epoch })
		gaps, fetches = n.Stats().Gaps.Load()-gaps, n.Stats().Fetches.Load()-fetches
		if gaps < 2 || fetches > 0 { // a busy machine may take longer than a gap may last
			return fmt.Errorf("%d gaps, %d fetches", gaps, fetches)
		}
		return nil
	})
}

func TestFollower_FetchesWhatCameAsAHintOnly(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	large := purgeOf("a")
	for len(large.Scopes) < controllog.MaxScopes {
		large.Scopes = append(large.Scopes, object.Scope{1: byte(len(large.Scopes)), 2: byte(len(large.Scopes) >> 8)})
	}
	e := c.add(large)
	if b := controllog.AppendMessage(nil, &e); len(b) > 1000 {
		t.Fatalf("not a hint: %d bytes", len(b))
	}
	c.publish(e)
	eventually(t, "applied", func() bool { return n.Applied() == e.Epoch })
	testkit.InOneOf(t, rounds, func() error { // or a renewal would say so
		eventually(t, "reported", func() bool { return c.reported("edge-1") == e.Epoch }) // idle until the next one
		e = c.add(large)
		c.publish(e)
		published := time.Now()
		eventually(t, "applied", func() bool { return n.Applied() == e.Epoch })
		if took := time.Since(published); took > controllog.RenewInterval/2 {
			return fmt.Errorf("it took %v", took)
		}
		return nil
	})
	if n.Check(first-1, scopesOf("a")) != invalidation.Dead {
		t.Error("the large entry has no effect")
	}
}

func TestFollower_IgnoresDamagedMessages(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	for _, b := range [][]byte{nil, {0}, []byte("hello"), bytes.Repeat([]byte{255}, 100)} {
		if err := c.bus.PublishLog(b); err != nil {
			t.Fatal(err)
		}
	}
	e := c.add(purgeOf("a"))
	b := controllog.AppendMessage(nil, &e)
	b[len(b)/2] ^= 1
	if err := c.bus.PublishLog(b); err != nil {
		t.Fatal(err)
	}
	eventually(t, "applied", func() bool { return n.Applied() == e.Epoch })
	if n.Check(first-1, scopesOf("a")) != invalidation.Dead {
		t.Error("not purged")
	}
	if n.Stats().Refused.Load() == 0 {
		t.Error("not counted")
	}
}

func TestFollower_GoesOverHTTPWhileNATSIsDown(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	testkit.InOneOf(t, 5, func() error {
		lost := n.Stats().LeasesLost.Load()
		n.outlivesNATS(t, c)
		if lost = n.Stats().LeasesLost.Load() - lost; lost > 0 {
			return fmt.Errorf("%d leases were lost", lost)
		}
		return nil
	})
}

// outlivesNATS takes NATS away until the node has renewed over HTTP, and gives it back until it renews as before.
func (n *node) outlivesNATS(t *testing.T, c *control) {
	t.Helper()
	c.stopNATS()
	began := n.Stats().RenewalsHTTP.Load()
	e := c.purge("a") // nobody hears it
	eventually(t, "applied", func() bool { return n.Applied() == e.Epoch })
	eventually(t, "reported", func() bool { return c.reported("edge-1") == e.Epoch })
	eventually(t, "renewed", func() bool { return n.Stats().RenewalsHTTP.Load() >= began+5 })
	eventually(t, "connected over HTTP", func() bool { return n.Live(time.Now()) && n.detail() == "connected over HTTP" })
	c.startNATS()
	renewals := n.Stats().RenewalsNATS.Load()
	eventually(t, "renewed over NATS again", func() bool { return n.Stats().RenewalsNATS.Load() >= renewals+3 })
	c.flush()
	e = c.purge("b")
	eventually(t, "applied", func() bool { return n.Applied() == e.Epoch })
}

func TestFollower_HTTPIsAskedTwiceASecondAtMost(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(c *control) follower.Deps{
		"without NATS": func(*control) follower.Deps { return follower.Deps{} },
		"control is not on NATS": func(c *control) follower.Deps {
			c.bus.Close()
			return follower.Deps{Bus: c.connect("edge")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newControl(t).start()
			n := start(t, c.edge(), prepare(c))
			before, began := get(c, func(c *control) int { return len(c.mu.renews) }), time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			for ctx.Err() == nil { // there is always something to ask
				_ = n.Reach(ctx, 1<<50) // no such epoch, or too late
			}
			renews := get(c, func(c *control) int { return len(c.mu.renews) }) - before
			// One at each end, and one that was under way before.
			if most := int(time.Since(began)/controllog.RenewInterval) + 2; renews > most || renews < 2 {
				t.Errorf("%d renewals in %v", renews, time.Since(began))
			}
			if !n.Live(time.Now()) {
				t.Error("not live")
			}
		})
	}
}

func TestFollower_LeaseEndsWhenControlIsSilent(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	c.add(purgeOf("a"))
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	lost := n.Stats().LeasesLost.Load()
	c.stopHTTP()
	c.set(func(c *control) { c.mu.refuse = "no PostgreSQL" })
	silenced := time.Now()
	eventually(t, "disconnected", func() bool {
		now := time.Now()
		live := n.Live(now)
		if live && now.Sub(silenced) > controllog.LeaseTime {
			t.Errorf("live %v after control fell silent", now.Sub(silenced))
		}
		return !live
	})
	eventually(t, "counted", func() bool { return n.Stats().LeasesLost.Load() > lost })
	eventually(t, "said", func() bool { return strings.Contains(n.detail(), "disconnected since") })
	if got := n.Check(n.Applied(), scopesOf("a")); got != invalidation.Live {
		t.Errorf("what stands is %v", got)
	}
	if got := n.Check(n.Applied()+1, scopesOf("a")); got != invalidation.Live {
		t.Errorf("what a tier that is ahead vouches for is %v", got)
	}
	c.set(func(c *control) { c.mu.refuse = "" })
	eventually(t, "connected", func() bool { return n.Live(time.Now()) })
}

// A node that hears but cannot catch up is disconnected.
func TestFollower_WhatItCannotFetchCostsTheLease(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	c.add(purgeOf("x"))
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	c.set(func(c *control) { c.mu.noFetch = true })
	c.add(purgeOf("a")) // not published
	eventually(t, "disconnected", func() bool { return !n.Live(time.Now()) })
	renewals := n.Stats().RenewalsNATS.Load()
	eventually(t, "renewed", func() bool { return n.Stats().RenewalsNATS.Load() > renewals+2 })
	if n.Live(time.Now()) {
		t.Error("live")
	}
	if got := n.Check(n.Applied()+1, scopesOf("x")); got != invalidation.Dead {
		t.Errorf("a stamp above what it knows is %v", got)
	}
	c.set(func(c *control) { c.mu.noFetch = false })
	eventually(t, "connected", func() bool { return n.Live(time.Now()) && n.Applied() == c.head() })
}

func TestFollower_AHeadBelowWhatWasAppliedGrantsNothing(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	c.add(purgeOf("a"))
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	c.set(func(c *control) {
		for range 10 {
			c.mu.heads = append(c.mu.heads, first-1)
		}
	})
	eventually(t, "disconnected", func() bool { return !n.Live(time.Now()) })
	if n.Applied() != c.head() {
		t.Errorf("got %d", n.Applied())
	}
	eventually(t, "connected", func() bool { return n.Live(time.Now()) })
}

func TestFollower_AnAnswerToAnotherRequestGrantsNothing(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	c.set(func(c *control) { c.mu.badNonce = true })
	eventually(t, "disconnected", func() bool { return !n.Live(time.Now()) })
	if n.Stats().Refused.Load() == 0 {
		t.Error("not counted")
	}
}

func TestFollower_JoinsAgainWhenItIsNotKnown(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	c.set(func(c *control) { delete(c.mu.members, "edge-1") })
	eventually(t, "a member", func() bool { return get(c, func(c *control) bool { return len(c.mu.members) == 1 }) })
	eventually(t, "live", func() bool { return n.Live(time.Now()) })
}

func TestFollower_LeavesOnACleanStop(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	b := c.connect("edge")
	testkit.InOneOf(t, rounds, func() error {
		n := start(t, c.edge(), follower.Deps{Bus: b})
		before := time.Now()
		n.stop()
		took := time.Since(before)
		if get(c, func(c *control) int { return len(c.mu.members) }) != 0 {
			t.Error("still a member")
		}
		if n.Live(time.Now()) {
			t.Error("live after it has left")
		}
		if took > 300*time.Millisecond { // any answer ends the stop, which else waits for a better one
			return fmt.Errorf("the stop took %v", took)
		}
		return nil
	})
}

func TestFollower_AClockThatJumpsEndsTheLease(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	var step atomic.Int64
	now := func() time.Time { // a wall clock that was set; the monotonic one goes on
		real := time.Now()
		return real.Add(time.Duration(step.Load()))
	}
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge"), Now: now})
	if !n.Live(now()) {
		t.Error("not live")
	}
	step.Store(int64(time.Hour))
	if n.Live(now()) {
		t.Error("live")
	}
	eventually(t, "live again", func() bool { return n.Live(now()) })
}

func TestFollower_FollowsWithoutBeingAMember(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	for range 300 { // more than one fetch
		c.add(purgeOf("a"))
	}
	cfg := c.edge()
	cfg.Node, cfg.Tier, cfg.Member = "origin-1", "origin", false
	n := start(t, cfg, follower.Deps{Bus: c.connect("origin")})
	if n.Applied() != c.head() {
		t.Errorf("ready at %d of %d", n.Applied(), c.head())
	}
	e := c.purge("b")
	eventually(t, "applied", func() bool { return n.Applied() == e.Epoch })
	lost := c.add(purgeOf("c")) // not published: the next poll finds it
	eventually(t, "applied", func() bool { return n.Applied() == lost.Epoch })
	if got := get(c, func(c *control) int { return len(c.mu.renews) }); got != 0 {
		t.Errorf("%d renewals", got)
	}
	eventually(t, "connected over NATS", func() bool { return n.detail() == "connected over NATS" })
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if err := n.Reach(ctx, e.Epoch+1000); !errors.Is(err, controllog.ErrAboveHead) {
		t.Errorf("got %v", err)
	}
}

func TestFollower_TellsServicesWhenTheyChange(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	next := func() []controllog.ServiceChange {
		select {
		case s := <-n.services:
			return s
		case <-time.After(deadline):
			t.Fatal("not told")
		}
		return nil
	}
	if got := next(); len(got) != 0 {
		t.Errorf("first told %v", got)
	}
	c.publish(c.add(documentOf("shop", 1)))
	if got := next(); len(got) != 1 || got[0].Name != "shop" || got[0].Version != 1 {
		t.Errorf("got %+v", got)
	}
	c.purge("a")
	c.publish(c.add(documentOf("shop", 2)))
	if got := next(); len(got) != 1 || got[0].Version != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestReach(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	c.add(purgeOf("a"))
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if err := n.Reach(ctx, n.Applied()); err != nil {
		t.Errorf("applied: %v", err)
	}
	if err := n.Reach(ctx, n.Applied()+1); !errors.Is(err, controllog.ErrAboveHead) {
		t.Errorf("above head: %v", err)
	}
	testkit.InOneOf(t, rounds, func() error {
		e := c.add(purgeOf("b")) // not published
		began := time.Now()
		if err := n.Reach(ctx, e.Epoch); err != nil || n.Applied() < e.Epoch {
			t.Errorf("not heard of: %v", err)
		}
		if took := time.Since(began); took > controllog.RenewInterval*3/4 {
			return fmt.Errorf("it took %v", took)
		}
		return nil
	})
	c.set(func(c *control) { c.mu.noFetch = true })
	c.stopHTTP()
	e := c.add(purgeOf("c"))
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := n.Reach(short, e.Epoch); !errors.Is(err, controllog.ErrBehind) {
		t.Errorf("cannot catch up: %v", err)
	}
}

func TestReach_CallsShareARenewal(t *testing.T) {
	t.Parallel()
	c := newControl(t).start()
	n := start(t, c.edge(), follower.Deps{Bus: c.connect("edge")})
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	before := get(c, func(c *control) int { return len(c.mu.renews) })
	began := time.Now()
	var calls sync.WaitGroup
	for range 200 {
		calls.Go(func() {
			if err := n.Reach(ctx, 1<<50); !errors.Is(err, controllog.ErrAboveHead) {
				t.Errorf("got %v", err)
			}
		})
	}
	calls.Wait()
	most := int(time.Since(began)/controllog.ReportInterval) + 2
	if got := get(c, func(c *control) int { return len(c.mu.renews) }) - before; got > most {
		t.Errorf("%d renewals in %v", got, time.Since(began))
	}
}

func TestReach_WithoutControlIsBehind(t *testing.T) {
	t.Parallel()
	c := newControl(t)
	cfg := c.edge()
	n, _ := prepare(t, cfg, follower.Deps{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := n.Reach(ctx, 1); !errors.Is(err, controllog.ErrBehind) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
