package proxy_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
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

// forget empties the edge's store, as if another edge were asked.
func (s *system) forget() {
	s.edgeStore.each(func(string, []byte) []byte { return nil })
}

// forgetting does something as if another edge did it.
func (s *system) forgetting(do func()) {
	before := map[string][]byte{}
	s.edgeStore.each(func(key string, value []byte) []byte { before[key] = value; return nil })
	do()
	s.forget()
	for key, value := range before {
		if err := s.edgeStore.Store(s.t.Context(), key, value, 0); err != nil {
			s.t.Fatal(err)
		}
	}
}

// entries is how many values the edge has stored.
func (s *system) entries() (n int) {
	s.edgeStore.each(func(_ string, value []byte) []byte { n++; return value })
	return n
}

func both(edge, regional *ledger, purge func(*ledger) uint64) (epoch uint64) {
	purge(regional)
	return purge(edge)
}

func soft(l *ledger) uint64 { return l.purge(invalidation.Soft, tag("t")) }
func hard(l *ledger) uint64 { return l.purge(invalidation.Hard, tag("t")) }

// outage is a site whose response both tiers have stored, and which fails from then on.
func outage(t *testing.T) (s *system, edge, regional *ledger, v *versioned) {
	t.Helper()
	edge, regional, v = newLedger(), newLedger(), &versioned{control: "max-age=60, stale-if-error=600"}
	s = twoLoggedTiers(t, "secret", edge, regional, v.serve)
	s.get("/").expect(t, 200, "v0", "stored")
	v.version.Add(1)
	v.down.Store(true)
	return s, edge, regional, v
}

const (
	regionalStale = "regional-1; fwd=stale; fwd-status=503; ttl=0; detail=stale-if-error, "
	edgeStale     = "detail=stale-if-error"
)

// RFC 5861, 4: soft means stale, not dead. The edge has no copy of its own.
func TestStaleIfError_AfterASoftPurgeOverTwoTiers(t *testing.T) {
	s, edge, regional, v := outage(t)
	s.forget()
	e := both(edge, regional, soft)
	before := s.fetched.Load()
	r := s.get("/")
	r.expect(t, 200, "v0", regionalStale+"edge-1; fwd=uri-miss; fwd-status=200; ttl=0; "+edgeStale)
	if r.epoch() == 0 || r.epoch() >= e {
		t.Errorf("passed on with %d, the purge is %d", r.epoch(), e)
	}
	if r.header.Get("Tiercache-Stale") != "" {
		t.Error("the mark between tiers reached a client")
	}
	if n := s.fetched.Load() - before; n != 1 {
		t.Errorf("the site was asked %d times for one request", n)
	}
	if n := s.entries(); n != 0 {
		t.Errorf("the edge has stored %d values of what is behind a purge", n)
	}
	v.down.Store(false)
	s.get("/").expect(t, 200, "v1", "edge-1; fwd=uri-miss; fwd-status=200; ttl=")
	s.get("/").expect(t, 200, "v1", "edge-1; hit")
}

// The edge has a copy of its own: what the regional node confirms out of need does not make it any newer.
func TestStaleIfError_TheEdgesOwnCopyKeepsItsStamp(t *testing.T) {
	s, edge, regional, v := outage(t)
	stored := s.get("/").epoch()
	e := both(edge, regional, soft)
	before := s.fetched.Load()
	for range 2 {
		r := s.get("/")
		r.expect(t, 200, "v0", "edge-1; fwd=stale; fwd-status=304; ttl=0; "+edgeStale)
		if r.epoch() != stored || stored >= e {
			t.Errorf("passed on with %d, it stood as of %d, the purge is %d", r.epoch(), stored, e)
		}
	}
	if n := s.fetched.Load() - before; n != 2 {
		t.Errorf("the site was asked %d times for two requests", n)
	}
	v.down.Store(false)
	s.get("/").expect(t, 200, "v1", "edge-1; fwd=stale; fwd-status=200")
}

// The regional node has not heard of the purge: it is asked again, then it knows, tries, and fails.
func TestStaleIfError_OfARegionalNodeThatWasBehind(t *testing.T) {
	s, edge, regional, _ := outage(t)
	s.forget()
	regional.behind = []func(){func() { soft(regional) }}
	e := soft(edge)
	r := s.get("/")
	r.expect(t, 200, "v0", edgeStale)
	if r.epoch() >= e || s.entries() != 0 {
		t.Errorf("epoch %d, the purge is %d; %d values stored", r.epoch(), e, s.entries())
	}
}

// No rule about stale responses brings back what a hard purge has killed, whoever sends it.
func TestStaleIfError_NeverAfterAHardPurge(t *testing.T) {
	s, edge, regional, _ := outage(t)
	s.forget()
	soft(regional) // so that its answer is marked stale
	hard(edge)     // which the regional node cannot know of
	regional.lagging.Store(true)
	for range 2 {
		if r := s.get("/"); r.status == 200 || strings.Contains(r.body, "v0") {
			t.Errorf("%d %q %q", r.status, r.body, r.header.Values("Cache-Status"))
		}
	}
	regional.lagging.Store(false)
	hard(regional)
	if r := s.get("/"); r.status == 200 || s.entries() != 0 {
		t.Errorf("%d %q, %d values stored", r.status, r.body, s.entries())
	}
}

// A node without a lease may have missed a hard purge: of a strict service it does not use its own copy, but what a node
// with a lease sends.
func TestStaleIfError_StrictTakesItFromWhoHoldsALease(t *testing.T) {
	edge, regional := newLedger(), newLedger()
	var version atomic.Int32
	var down atomic.Bool
	s := twoLoggedTiers(t, "secret", edge, regional, func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Cache-Control", "max-age=60, stale-if-error=600")
		w.Header().Set("Surrogate-Key", "t")
		w.Header().Set("ETag", `W/"same"`)
		fmt.Fprint(w, "v", version.Load())
	}, strict)
	s.get("/").expect(t, 200, "v0", "stored")
	edge.expired.Store(true)
	hard(regional)
	version.Store(1)
	s.get("/other").expect(t, 200, "v1", "stored")
	s.forgetting(func() { s.get("/").expect(t, 200, "v1", "stored") }) // through another edge
	soft(regional)
	down.Store(true)
	s.get("/").expect(t, 200, "v1", edgeStale)
	regional.expired.Store(true)
	if r := s.get("/"); r.status == 200 {
		t.Errorf("nobody vouches for %q", r.body)
	}
}

// A hard purge that only the edge knows of: the regional node is told, and tries once more.
func TestStaleIfError_WhatAHardPurgeHasKilledIsAskedForAgain(t *testing.T) {
	s, edge, regional, v := outage(t)
	s.forget()
	soft(regional)
	soft(edge)
	hard(edge)
	regional.behind = []func(){func() {
		hard(regional)
		v.down.Store(false)
	}}
	s.get("/").expect(t, 200, "v1", "stored")
}

// Who asks for an epoch wants nothing older, not even for want of anything newer.
func TestStaleIfError_NotForWhoAsksForAnEpoch(t *testing.T) {
	for name, prepare := range map[string]func(*system){
		"copy at the edge": func(*system) {}, "no copy at the edge": func(s *system) { s.forget() },
	} {
		t.Run(name, func(t *testing.T) {
			s, edge, regional, v := outage(t)
			prepare(s)
			e := both(edge, regional, soft)
			min := "Tiercache-Min-Epoch: " + strconv.FormatUint(e, 10)
			for _, method := range []string{"GET", "HEAD"} {
				if r := s.do(method, "/", min); r.status != http.StatusGatewayTimeout {
					t.Errorf("%s: %d %q %q", method, r.status, r.body, r.header.Values("Cache-Status"))
				}
				if r := s.do(method, "/"); r.status != 200 || !strings.Contains(strings.Join(r.header.Values("Cache-Status"), ", "), edgeStale) {
					t.Errorf("%s without an epoch: %d %q", method, r.status, r.header.Values("Cache-Status"))
				}
			}
			v.down.Store(false)
			s.get("/", min).expect(t, 200, "v1", "stored")
		})
	}
}

// All that wait get it, by one request to the regional node.
func TestStaleIfError_IsSharedByAllThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		edge, regional, release := newLedger(), newLedger(), make(chan struct{})
		var asked atomic.Int32
		p := newPair(t, edge, regional, site(func(*proxy.Request) (int, httpcache.Fields, string) {
			if asked.Add(1) > 1 {
				<-release
				return http.StatusServiceUnavailable, nil, ""
			}
			return 200, httpcache.Fields{{Name: "Cache-Control", Value: "max-age=60, stale-if-error=600"}, {Name: "Surrogate-Key", Value: "t"}}, "v0"
		}))
		ask(t.Context(), p.edge, "/").expect(t, 200, "v0", "stored")
		p.edgeStore.each(func(string, []byte) []byte { return nil })
		both(edge, regional, soft)
		before := p.edge.Stats().Fills.Load()
		var waiting sync.WaitGroup
		for range 8 {
			waiting.Go(func() { ask(t.Context(), p.edge, "/").expect(t, 200, "v0", edgeStale) })
		}
		synctest.Wait() // all have joined
		close(release)
		waiting.Wait()
		if n := p.edge.Stats().Fills.Load() - before; n != 1 || asked.Load() != 2 {
			t.Errorf("%d requests to the regional node, %d to the site", n, asked.Load()-1)
		}
	})
}

// A response that is stale by age, without any purge, is kept as what it is.
func TestStaleIfError_ByAgeIsStoredStale(t *testing.T) {
	s, _, _, v := outage(t)
	s.forget()
	s.clock.advance(70 * time.Second)
	s.get("/").expect(t, 200, "v0", "edge-1; fwd=uri-miss; fwd-status=200; ttl=-")
	if s.entries() == 0 {
		t.Error("it was not stored")
	}
	s.get("/").expect(t, 200, "v0", "edge-1; fwd=stale; fwd-status=304; ttl=-")
	v.down.Store(false)
	s.get("/").expect(t, 200, "v1", "edge-1; fwd=stale; fwd-status=200")
}

// Another regional node of the key may have an older version: it does not take the place of what the edge has.
func TestStaleIfError_AnOlderCopyIsNoBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		edge, regional := newLedger(), newLedger()
		var version atomic.Int32
		var down atomic.Bool
		p := newPair(t, edge, regional, site(func(*proxy.Request) (int, httpcache.Fields, string) {
			if down.Load() {
				return http.StatusServiceUnavailable, nil, ""
			}
			return 200, httpcache.Fields{{Name: "Cache-Control", Value: "max-age=60, stale-if-error=600"}}, fmt.Sprint("v", version.Load())
		}))
		ask(t.Context(), p.edge, "/").expect(t, 200, "v0", "stored")
		older := map[string][]byte{}
		p.regionalStore.each(func(key string, value []byte) []byte { older[key] = value; return value })
		both(edge, regional, func(l *ledger) uint64 { return l.purge(invalidation.Hard, tag("unrelated")) })
		version.Store(1)
		time.Sleep(61 * time.Second)
		ask(t.Context(), p.edge, "/").expect(t, 200, "v1", "stored")
		p.regionalStore.each(func(key string, _ []byte) []byte { return older[key] })
		down.Store(true)
		time.Sleep(61 * time.Second)
		ask(t.Context(), p.edge, "/").expect(t, 200, "v1", edgeStale)
	})
}

// A stranger who answers cannot have its error taken for anything else.
func TestStaleIfError_TheMarkOfStrangersIsDropped(t *testing.T) {
	l := newLedger()
	s := newLogged(t, l, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Tiercache-Stale", "if-error")
		w.Header().Set("Tiercache-Asked", "9999")
		cacheable("x")(w, r)
	})
	r := s.get("/")
	r.expect(t, 200, "x", "edge-1; fwd=uri-miss; fwd-status=200; ttl=")
	if strings.Contains(r.header.Get("Cache-Status"), "stale") || r.header.Get("Tiercache-Stale")+r.header.Get("Tiercache-Asked") != "" {
		t.Errorf("passed on: %v", r.header)
	}
}

// overtaking is a control log in which a hard purge comes right before a look at a response.
type overtaking struct {
	*ledger
	before atomic.Int32 // so many looks come before it
}

func (o *overtaking) Check(stamp uint64, scopes []object.Scope) invalidation.Verdict {
	if o.before.Add(-1) == -1 {
		hard(o.ledger)
	}
	return o.ledger.Check(stamp, scopes)
}

// The purge comes anywhere between the lookup and the reply of a request whose upstream fails.
func TestStaleIfError_APurgeBetweenTwoLooks(t *testing.T) {
	for looks := range int32(6) {
		l, v := &overtaking{ledger: newLedger()}, &versioned{control: "max-age=60, stale-if-error=600"}
		l.before.Store(1 << 20)
		s := newLogged(t, l, v.serve)
		s.get("/").expect(t, 200, "v0", "stored")
		v.down.Store(true)
		soft(l.ledger)
		l.before.Store(looks)
		r := s.get("/")
		purged := l.before.Load() < 0
		if old := r.status == 200 && r.body == "v0"; old == purged || r.status != 200 && r.status != 503 && r.status != 504 {
			t.Errorf("purge after %d looks: %d %q %q", looks, r.status, r.body, r.header.Values("Cache-Status"))
		}
	}
}

// failing answers once with what is soon stale, then with a 304 that is about something else, then not at all or with
// an error.
type failing struct {
	asked atomic.Int32
	err   error
}

func (u *failing) Fetch(_ context.Context, _ *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	response := &proxy.Response{Status: http.StatusInternalServerError, Body: http.NoBody, Header: httpcache.Fields{
		{Name: "Cache-Control", Value: "max-age=10, stale-while-revalidate=100"}, {Name: "ETag", Value: `"a"`},
	}}
	switch {
	case u.asked.Add(1) == 1:
		response.Status = http.StatusOK
	case r.Header.Has("If-None-Match"):
		response.Status, response.Header[1].Value = http.StatusNotModified, `"b"`
	case u.err != nil:
		return nil, u.err
	default:
		response.Header[0].Value = "no-store"
	}
	return response, nil
}

// A refresh in the background that fails at its second attempt lets the key rest like any other, and the stale response
// stays in use.
func TestStaleWhileRevalidate_RestsAfterASecondAttemptThatFails(t *testing.T) {
	for name, err := range map[string]error{"no response": proxy.ErrUnreachable, "an error": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := &failing{err: err}
				p := newPair(t, nil, nil, u)
				ask(t.Context(), p.regional, "/").expect(t, 200, "", "stored")
				time.Sleep(20 * time.Second)
				for range 3 {
					ask(t.Context(), p.regional, "/").expect(t, 200, "", "hit; ttl=-")
					synctest.Wait()
				}
				if n := u.asked.Load(); n != 3 {
					t.Errorf("the site was asked %d times, want the fill and one refresh of two attempts", n)
				}
				time.Sleep(2 * time.Second)
				ask(t.Context(), p.regional, "/").expect(t, 200, "", "hit; ttl=-")
				synctest.Wait()
				if n := u.asked.Load(); n != 5 {
					t.Errorf("after the pause the site was asked %d times, want 5", n)
				}
			})
		})
	}
}
