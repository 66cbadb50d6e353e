package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// ledger is a control log that the test writes: the real index, and a lease that the test grants.
type ledger struct {
	*invalidation.Index
	mu      sync.Mutex // one writer
	epoch   uint64
	expired atomic.Bool
	lagging atomic.Bool // Reach does not catch up
	behind  []func()    // what Reach applies
}

func newLedger() *ledger {
	l := &ledger{Index: invalidation.NewIndex(64), epoch: 100}
	l.Advance(100)
	return l
}

func (l *ledger) AppliedAt(time.Time) uint64 { return 1 }
func (l *ledger) Live(time.Time) bool        { return !l.expired.Load() }

func (l *ledger) Reach(_ context.Context, epoch uint64) error {
	if l.lagging.Load() {
		return controllog.ErrBehind
	}
	l.mu.Lock()
	todo := l.behind
	l.behind = nil
	l.mu.Unlock()
	for _, apply := range todo {
		apply()
	}
	if l.Applied() < epoch {
		return controllog.ErrAboveHead
	}
	return nil
}

// purge applies a purge with the next epoch.
func (l *ledger) purge(mode invalidation.Mode, scopes ...object.Scope) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	l.Purge(l.epoch, mode, scopes)
	l.Advance(l.epoch)
	return l.epoch
}

func tag(name string) object.Scope { return invalidation.TagScope("", name) }

// versioned serves the version that the test sets, tagged t, with an ETag and the given Cache-Control.
type versioned struct {
	version atomic.Int64
	control string
	asked   atomic.Int64 // requests with a condition
	down    atomic.Bool
}

func (v *versioned) serve(w http.ResponseWriter, r *http.Request) {
	if v.down.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	n := strconv.FormatInt(v.version.Load(), 10)
	w.Header().Set("Cache-Control", v.control)
	w.Header().Set("Surrogate-Key", "t other")
	w.Header().Set("ETag", `"`+n+`"`)
	if r.Header.Get("If-None-Match") != "" {
		v.asked.Add(1)
		if r.Header.Get("If-None-Match") == `"`+n+`"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	fmt.Fprint(w, "v", n)
}

func (r reply) epoch() uint64 {
	n, _ := strconv.ParseUint(r.header.Get("Tiercache-Epoch"), 10, 64)
	return n
}

func TestPurge_HardKillsWithoutACondition(t *testing.T) {
	for name, scope := range map[string]object.Scope{
		"tag": tag("t"), "tag of the service": invalidation.TagScope("site", "t"), "url": invalidation.URLScope("127.0.0.1", "/a/b", ""),
		"url with query": invalidation.URLScope("127.0.0.1", "/a/b", "?q"), "prefix": invalidation.PrefixScope("127.0.0.1", "/a/"),
		"root": invalidation.PrefixScope("127.0.0.1", "/"), "host": invalidation.HostScope("127.0.0.1"),
		"service": invalidation.ServiceScope("site"), "all": invalidation.AllScope(),
	} {
		t.Run(name, func(t *testing.T) {
			l, v := newLedger(), &versioned{control: "max-age=60, stale-while-revalidate=60, stale-if-error=600"}
			s := newLogged(t, l, v.serve)
			s.get("/a/b?q").expect(t, 200, "v0", "stored")
			l.purge(invalidation.Hard, tag("unrelated"), invalidation.URLScope("127.0.0.1", "/a", ""), invalidation.PrefixScope("127.0.0.1", "/b/"))
			s.get("/a/b?q").expect(t, 200, "v0", "hit")
			v.version.Add(1)
			l.purge(invalidation.Hard, scope)
			s.get("/a/b?q").expect(t, 200, "v1", "fwd=uri-miss")
			s.get("/a/b?q").expect(t, 200, "v1", "hit")
			if v.asked.Load() != 0 {
				t.Error("a conditional request was made from a dead response")
			}
		})
	}
}

func TestPurge_HardIsNeverServedOnError(t *testing.T) {
	l, v := newLedger(), &versioned{control: "max-age=60, stale-if-error=600"}
	s := newLogged(t, l, v.serve)
	s.get("/").expect(t, 200, "v0", "stored")
	v.down.Store(true)
	l.purge(invalidation.Hard, tag("t"))
	if r := s.get("/"); r.status != 503 {
		t.Errorf("%d %q", r.status, r.body)
	}
	l.purge(invalidation.Soft, tag("t")) // a soft purge behind a hard one brings nothing back
	if r := s.get("/"); r.status != 503 {
		t.Errorf("after a soft purge: %d %q", r.status, r.body)
	}
}

func TestPurge_SoftRevalidates(t *testing.T) {
	l, v := newLedger(), &versioned{control: "max-age=60, stale-if-error=600"}
	s := newLogged(t, l, v.serve)
	s.get("/").expect(t, 200, "v0", "stored")
	l.purge(invalidation.Soft, tag("t"))
	s.get("/").expect(t, 200, "v0", "fwd-status=304")
	s.get("/").expect(t, 200, "v0", "hit")
	if v.asked.Load() != 1 {
		t.Errorf("%d conditional requests", v.asked.Load())
	}
	l.purge(invalidation.Soft, tag("t"))
	v.down.Store(true)
	r := s.get("/")
	r.expect(t, 200, "v0", "stale-if-error")
	if r.epoch() != l.Applied()-1 {
		t.Errorf("a stale response is passed on with %d, it stood as of %d", r.epoch(), l.Applied()-1)
	}
}

func TestPurge_SoftIsServedWhileItIsRevalidated(t *testing.T) {
	l, v := newLedger(), &versioned{control: "max-age=60, stale-while-revalidate=60"}
	s := newLogged(t, l, v.serve)
	first := s.get("/")
	v.version.Add(1)
	l.purge(invalidation.Soft, tag("t"))
	stale := s.get("/")
	stale.expect(t, 200, "v0", "hit; ttl=0")
	if stale.epoch() != first.epoch() {
		t.Errorf("a stale response is passed on with %d instead of its own stamp %d", stale.epoch(), first.epoch())
	}
	waitFor(t, func() bool { return s.get("/").body == "v1" })
}

func TestPurge_HitsPassOnWhatTheyWereCheckedAt(t *testing.T) {
	l, v := newLedger(), &versioned{control: "max-age=60"}
	s := newLogged(t, l, v.serve)
	if r := s.get("/"); r.epoch() != 100 {
		t.Errorf("a fill is stamped %d, not what was applied when it began", r.epoch())
	}
	e := l.purge(invalidation.Hard, tag("unrelated"))
	if r := s.get("/"); r.epoch() != e {
		t.Errorf("a hit stands as of %d, and is passed on with %d", e, r.epoch())
	}
}

// slowFirst serves version 0 in a body that waits for release, after its head if headFirst, and later versions
// at once.
type slowFirst struct {
	headFirst      bool
	begun, release chan struct{}
	version        atomic.Int64
}

func (u *slowFirst) serve(w http.ResponseWriter, r *http.Request) {
	v := u.version.Load()
	w.Header().Set("Cache-Control", "max-age=60")
	w.Header().Set("Surrogate-Key", "t")
	if v == 0 {
		if u.headFirst {
			_ = http.NewResponseController(w).Flush()
		}
		u.begun <- struct{}{}
		<-u.release
	}
	fmt.Fprint(w, "v", v)
}

// The interleaving that every cache without stamps loses: the old bytes are read, then the purge, then the old
// bytes are stored.
func TestPurge_BeforeTheHeadOfAFill(t *testing.T) {
	l, u := newLedger(), &slowFirst{begun: make(chan struct{}, 1), release: make(chan struct{})}
	s := newLogged(t, l, u.serve)
	old := make(chan reply, 1)
	go func() { old <- s.get("/") }()
	<-u.begun
	u.version.Store(1)
	e := l.purge(invalidation.Hard, tag("t"))
	close(u.release)
	r := <-old
	r.expect(t, 200, "v0", "detail=purged") // it asked before the purge
	if r.epoch() >= e {
		t.Errorf("bytes from before the purge are stamped %d", r.epoch())
	}
	s.get("/").expect(t, 200, "v1", "stored")
	s.get("/").expect(t, 200, "v1", "hit")
}

func TestPurge_BetweenHeadAndEndOfAFill(t *testing.T) {
	l, u := newLedger(), &slowFirst{headFirst: true, begun: make(chan struct{}, 1), release: make(chan struct{})}
	s := newLogged(t, l, u.serve)
	old, err := s.client.Get(s.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer old.Body.Close()
	<-u.begun
	u.version.Store(1)
	l.purge(invalidation.Hard, tag("t"))
	s.get("/").expect(t, 200, "v1", "stored") // while the old body is on its way
	close(u.release)
	if body, err := io.ReadAll(old.Body); string(body) != "v0" || err != nil {
		t.Errorf("who asked before the purge got %q, %v", body, err)
	}
	s.get("/").expect(t, 200, "v1", "") // whichever was stored last
	s.get("/").expect(t, 200, "v1", "hit")
}

// Who asks after a purge does not get what a fill from before it yields, although it waits for that fill.
func TestPurge_WaitersGoToOneSuccessor(t *testing.T) {
	l := newLedger()
	begun, release := make(chan struct{}, 10), make(chan struct{})
	var version atomic.Int64
	s := newLogged(t, l, func(w http.ResponseWriter, r *http.Request) {
		v := version.Load()
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Surrogate-Key", "t")
		begun <- struct{}{}
		if v == 0 {
			<-release
		}
		fmt.Fprint(w, "v", v)
	})
	old := make(chan reply, 1)
	go func() { old <- s.get("/") }()
	<-begun
	version.Store(1)
	l.purge(invalidation.Hard, tag("t"))
	var waiters sync.WaitGroup
	for range 8 {
		waiters.Go(func() { s.get("/").expect(t, 200, "v1", "") })
	}
	select { // they join: nobody knows yet what the fill will bring
	case <-begun:
		t.Error("a waiter did not join")
	case <-time.After(200 * time.Millisecond):
	}
	close(release)
	waiters.Wait()
	(<-old).expect(t, 200, "v0", "")
	if n := s.fetched.Load(); n != 2 {
		t.Errorf("%d fills, want the old one and one successor", n)
	}
}

// A 304 speaks of the moment at which it was asked for.
func TestPurge_DuringARevalidation(t *testing.T) {
	t.Run("hard", func(t *testing.T) {
		purgeDuringRevalidation(t, invalidation.Hard, "v1", "fwd-status=200", "edge-1; hit")
	})
	t.Run("soft", func(t *testing.T) {
		purgeDuringRevalidation(t, invalidation.Soft, "v0", "fwd-status=304", "fwd=stale; fwd-status=200")
	})
}

// purgeDuringRevalidation: body and status are of the request that revalidates, next of the one after it.
func purgeDuringRevalidation(t *testing.T, mode invalidation.Mode, body, status, next string) {
	l := newLedger()
	begun, release := make(chan struct{}, 10), make(chan struct{})
	var version atomic.Int64
	s := newLogged(t, l, func(w http.ResponseWriter, r *http.Request) {
		v := version.Load()
		w.Header().Set("Cache-Control", "max-age=10")
		w.Header().Set("Surrogate-Key", "t")
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, v))
		if r.Header.Get("If-None-Match") != "" && v == 0 {
			begun <- struct{}{}
			<-release
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, "v", v)
	})
	s.get("/").expect(t, 200, "v0", "stored")
	s.clock.advance(11 * time.Second)
	old := make(chan reply, 1)
	go func() { old <- s.get("/") }()
	<-begun
	version.Store(1)
	e := l.purge(mode, tag("t"))
	close(release)
	r := <-old
	r.expect(t, 200, body, status)
	if body == "v0" && r.epoch() >= e {
		t.Errorf("what a 304 from before the purge confirms is passed on with %d", r.epoch())
	}
	s.get("/").expect(t, 200, "v1", next)
	s.get("/").expect(t, 200, "v1", "hit")
}

func TestPurge_EndsAHitForMiss(t *testing.T) {
	l := newLedger()
	var shared atomic.Bool
	s := newLogged(t, l, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private")
		if shared.Load() {
			w.Header().Set("Cache-Control", "max-age=60")
		}
		fmt.Fprint(w, "x")
	})
	s.get("/").expect(t, 200, "x", "detail=private")
	s.get("/").expect(t, 200, "x", "detail=private")
	if n := s.proxy.Stats().Purged.Load(); n != 0 {
		t.Fatalf("%d lookups found something dead", n)
	}
	shared.Store(true)
	l.purge(invalidation.Hard, invalidation.URLScope("127.0.0.1", "/", ""))
	s.get("/").expect(t, 200, "x", "stored")
	if n := s.proxy.Stats().Purged.Load(); n != 1 {
		t.Errorf("the mark was not dead: %d", n)
	}
}

func TestPurge_ReachesEachVariant(t *testing.T) {
	l := newLedger()
	var version atomic.Int64
	s := newLogged(t, l, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "Accept-Language")
		w.Header().Set("Surrogate-Key", "in-"+r.Header.Get("Accept-Language"))
		fmt.Fprint(w, r.Header.Get("Accept-Language"), version.Load())
	})
	de, fr := "Accept-Language: de", "Accept-Language: fr"
	s.get("/", de).expect(t, 200, "de0", "stored")
	s.get("/", fr).expect(t, 200, "fr0", "stored")
	version.Add(1)
	l.purge(invalidation.Hard, tag("in-fr"))
	s.get("/", fr).expect(t, 200, "fr1", "stored")
	s.get("/", de).expect(t, 200, "de0", "hit")
	l.purge(invalidation.Hard, invalidation.URLScope("127.0.0.1", "/", ""))
	s.get("/", de).expect(t, 200, "de1", "stored")
}

func TestPurge_WhatNoPurgeCouldReachIsNotStored(t *testing.T) {
	l := newLedger()
	s := newLogged(t, l, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if r.URL.Path == "/" {
			for i := range 257 {
				w.Header().Add("Surrogate-Key", fmt.Sprint("t", i))
			}
		}
		fmt.Fprint(w, "x")
	})
	s.get("/").expect(t, 200, "x", "detail=too-many-tags")
	s.get(strings.Repeat("/d", 16)).expect(t, 200, "x", "stored")
	s.get(strings.Repeat("/d", 17)).expect(t, 200, "x", "detail=too-deep")
	s.get(strings.Repeat("/d", 20)).expect(t, 200, "x", "detail=too-deep")
}

func TestPurge_AnUpstreamThatLagsIsNotTrusted(t *testing.T) {
	l, v := newLedger(), &versioned{control: "max-age=60"}
	s := newLogged(t, l, v.serve, func(_ *proxy.Config, s *policy.Service) { s.UpstreamLag = time.Second })
	l.purge(invalidation.Hard, tag("t"))
	before := s.fetched.Load()
	r := s.get("/")
	r.expect(t, 200, "v0", "detail=purged") // it may be from before the purge: for this request only
	if r.epoch() != 1 || s.fetched.Load() != before+1 {
		t.Errorf("stamp %d, %d fetches", r.epoch(), s.fetched.Load()-before)
	}
}
