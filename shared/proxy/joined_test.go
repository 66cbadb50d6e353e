package proxy_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// later lets that much time pass in a bubble.
func later(d time.Duration) { <-time.After(d) }

// timed is a control log that knows when what was applied.
type timed struct {
	*ledger
	history controllog.History
}

func newTimed() *timed {
	l := &timed{ledger: newLedger()}
	l.history.Note(time.Now(), l.Applied())
	return l
}

func (l *timed) AppliedAt(t time.Time) uint64 { return l.history.At(t) }

func (l *timed) purge() {
	hard(l.ledger)
	l.history.Note(time.Now(), l.Applied())
}

// Who joins a fill after the site has come to know what the purge was about gets another one.
func TestUpstreamLag_NobodySharesWhatWasAskedBeforeTheLagPassed(t *testing.T) {
	for _, part := range []string{"head", "body"} {
		t.Run(part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				edge, regional, held := newTimed(), newTimed(), make(chan struct{})
				u := &counted{}
				u.hold(part, held)
				p := newPair(t, edge, regional, u, lag)
				later(time.Minute)
				edge.purge()
				regional.purge()
				later(time.Second)
				var waiting sync.WaitGroup
				for range 2 { // the site may not know better yet
					waiting.Go(func() { ask(t.Context(), p.edge, "/").expect(t, 200, "v0", "detail=purged") })
					synctest.Wait()
				}
				later(5 * time.Second)
				u.version.Store(1)
				waiting.Go(func() { ask(t.Context(), p.edge, "/").expect(t, 200, "v1", "stored") })
				synctest.Wait()
				close(held)
				waiting.Wait()
				if n := u.asked.Load(); n != 2 {
					t.Errorf("the site was asked %d times, want 2", n)
				}
			})
		})
	}
}

// The next tier may have applied a purge later than the node that asks it: what that knows counts.
func TestUpstreamLag_TheNextTierIsToldWhatTheSiteMustKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		edge, regional, held := newTimed(), newTimed(), make(chan struct{})
		u := &counted{}
		u.hold("body", held)
		p := newPair(t, edge, regional, u, lag)
		later(time.Minute)
		edge.purge()
		later(2 * time.Second)
		regional.purge()
		var waiting sync.WaitGroup
		waiting.Go(func() { ask(t.Context(), p.edge, "/").expect(t, 200, "v0", "") })
		synctest.Wait()
		later(4 * time.Second) // the purge is 6 s old for the edge, and 4 s for the regional node
		u.version.Store(1)
		waiting.Go(func() { ask(t.Context(), p.edge, "/").expect(t, 200, "v1", "") })
		synctest.Wait()
		close(held)
		waiting.Wait()
		if n := u.asked.Load(); n != 2 {
			t.Errorf("the site was asked %d times, want 2", n)
		}
	})
}

// A node without a lease that joins a fill has nobody who vouches for it as of its own request: by then the purge may
// be long past that the next tier did not know of.
func TestPartition_NobodyVouchesForAFillThatBeganBefore(t *testing.T) {
	for _, test := range []struct {
		name, partition string
		body, says      string
		asked           int64
	}{
		{"strict", policy.PartitionStrict, "v1", "fwd-status=200; ttl=60; stored", 2},
		{"serve_stale", policy.PartitionServeStale, "v0", "collapsed; detail=disconnected", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				edge, regional, held := newLedger(), newLedger(), make(chan struct{})
				u := &counted{}
				u.hold("head", held)
				p := newPair(t, edge, regional, u, func(_ *proxy.Config, s *policy.Service) { s.OnPartition = test.partition })
				edge.expired.Store(true)
				var waiting sync.WaitGroup
				waiting.Go(func() {
					ask(t.Context(), p.edge, "/").expect(t, 200, "v0", "edge-1; fwd=uri-miss; fwd-status=200; ttl=")
				})
				synctest.Wait()
				later(3 * time.Second) // longer than a lease
				u.version.Store(1)
				hard(regional) // of which the edge has not heard
				waiting.Go(func() { ask(t.Context(), p.edge, "/").expect(t, 200, test.body, test.says) })
				synctest.Wait()
				close(held)
				waiting.Wait()
				if n := u.asked.Load(); n != test.asked {
					t.Errorf("the site was asked %d times, want %d", n, test.asked)
				}
			})
		})
	}
}
