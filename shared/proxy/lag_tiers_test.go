package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// delayed is a control log that was at an earlier epoch when the lag of the upstream began.
type delayed struct {
	*ledger
	earlier atomic.Uint64
}

func newDelayed() *delayed {
	d := &delayed{ledger: newLedger()}
	d.earlier.Store(d.Applied())
	return d
}

func (d *delayed) AppliedAt(time.Time) uint64 { return d.earlier.Load() }

// pass lets the lag pass.
func (d *delayed) pass() { d.earlier.Store(d.Applied()) }

func lag(_ *proxy.Config, s *policy.Service) { s.UpstreamLag = 5 * time.Second }

// counted is a site that counts who asks it, and may hold heads or bodies back.
type counted struct {
	version, asked atomic.Int64
	head, body     chan struct{} // nil: nothing is held back
}

// hold keeps that part of its answers back until the channel is closed.
func (c *counted) hold(part string, until chan struct{}) {
	if part == "head" {
		c.head = until
		return
	}
	c.body = until
}

func (c *counted) Fetch(_ context.Context, _ *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	c.asked.Add(1)
	v := fmt.Sprint("v", c.version.Load())
	if c.head != nil {
		<-c.head
	}
	response := &proxy.Response{Status: 200, Length: 2, Body: io.NopCloser(&heldBack{strings.NewReader(v), c.body}), Header: httpcache.Fields{
		{Name: "Cache-Control", Value: "max-age=60"}, {Name: "Surrogate-Key", Value: "t"}, {Name: "ETag", Value: `"` + v + `"`},
	}}
	if r.Header.Value("If-None-Match") == `"`+v+`"` {
		response.Status, response.Length, response.Body = http.StatusNotModified, 0, http.NoBody
	}
	return response, nil
}

// heldBack is a body that does not come before its channel is closed.
type heldBack struct {
	io.Reader
	until chan struct{}
}

func (h *heldBack) Read(b []byte) (int, error) {
	if h.until != nil {
		<-h.until
	}
	return h.Reader.Read(b)
}

// good reports whether the store has a response that would count as good.
func good(t *testing.T, m *memory, l *delayed) (found bool) {
	t.Helper()
	m.each(func(_ string, value []byte) []byte {
		var head object.Head
		if _, err := object.DecodeEntry(value, &head); err == nil && head.Kind == object.KindResponse {
			found = found || l.Check(head.Stamp, head.Scopes) == invalidation.Live
		}
		return value
	})
	return found
}

func TestUpstreamLag_OneFetchForEachRequestAfterAPurge(t *testing.T) {
	for _, mode := range []invalidation.Mode{invalidation.Hard, invalidation.Soft} {
		t.Run(mode.String(), func(t *testing.T) {
			edge, regional, u := newDelayed(), newDelayed(), &counted{}
			p := newPair(t, edge, regional, u, lag)
			ask(t.Context(), p.edge, "/").expect(t, 200, "v0", "stored")
			both(edge.ledger, regional.ledger, func(l *ledger) uint64 { return l.purge(mode, tag("t")) })
			for i := range int64(3) { // the site does not know yet what the purge is about
				ask(t.Context(), p.edge, "/").expect(t, 200, "v0", "edge-1; fwd=")
				if n := u.asked.Load() - 1; n != i+1 {
					t.Fatalf("%d requests, the site was asked %d times", i+1, n)
				}
				if good(t, p.edgeStore, edge) || good(t, p.regionalStore, regional) {
					t.Fatal("bytes that may be from before the purge count as good")
				}
			}
			edge.pass()
			regional.pass()
			u.version.Store(1)
			ask(t.Context(), p.edge, "/").expect(t, 200, "v1", "stored")
			ask(t.Context(), p.edge, "/").expect(t, 200, "v1", "edge-1; hit")
			if n := u.asked.Load(); n != 5 {
				t.Errorf("the site was asked %d times, want 5", n)
			}
		})
	}
}

// Who asks while the answer is on its way shares it, whether its head has come or not.
func TestUpstreamLag_RequestsShareAFetch(t *testing.T) {
	for _, part := range []string{"head", "body"} {
		t.Run(part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				edge, regional, held := newDelayed(), newDelayed(), make(chan struct{})
				u := &counted{}
				u.hold(part, held)
				p := newPair(t, edge, regional, u, lag)
				both(edge.ledger, regional.ledger, hard)
				var waiting sync.WaitGroup
				for range 5 {
					waiting.Go(func() { ask(t.Context(), p.edge, "/").expect(t, 200, "v0", "detail=purged") })
					synctest.Wait()
				}
				close(held)
				waiting.Wait()
				if n := u.asked.Load(); n != 1 {
					t.Errorf("5 requests at once, the site was asked %d times", n)
				}
			})
		})
	}
}

// A purge that comes while such an answer is on its way ends the sharing: who asks after it gets one that was asked
// for after it.
func TestUpstreamLag_NobodySharesWhatWasAskedBeforeThePurge(t *testing.T) {
	for _, part := range []string{"head", "body"} {
		t.Run(part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				edge, regional, held := newDelayed(), newDelayed(), make(chan struct{})
				u := &counted{}
				u.hold(part, held)
				p := newPair(t, edge, regional, u, lag)
				both(edge.ledger, regional.ledger, hard)
				var waiting sync.WaitGroup
				waiting.Go(func() { ask(t.Context(), p.edge, "/").expect(t, 200, "v0", "") })
				synctest.Wait()
				u.version.Store(1)
				both(edge.ledger, regional.ledger, hard)
				waiting.Go(func() { ask(t.Context(), p.edge, "/").expect(t, 200, "v1", "") })
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

// A regional node that has not heard of the purge answers from its store: it is told, and then asks the site.
func TestUpstreamLag_ARegionalNodeThatIsBehindIsStillTold(t *testing.T) {
	edge, regional, u := newDelayed(), newDelayed(), &counted{}
	p := newPair(t, edge, regional, u, lag)
	ask(t.Context(), p.edge, "/").expect(t, 200, "v0", "stored")
	u.version.Store(1)
	regional.behind = []func(){func() { hard(regional.ledger) }}
	hard(edge.ledger)
	ask(t.Context(), p.edge, "/").expect(t, 200, "v1", "detail=purged")
	if n := u.asked.Load(); n != 2 {
		t.Errorf("the site was asked %d times, want 2", n)
	}
}
