package proxy_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/invalidation"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

func TestTiers_AHitAtTheRegionalNodeStandsAsOfItsEpoch(t *testing.T) {
	edge, regional, v := newLedger(), newLedger(), &versioned{control: "max-age=60"}
	s := twoLoggedTiers(t, "secret", edge, regional, v.serve)
	s.get("/").expect(t, 200, "v0", "edge-1; fwd=uri-miss")
	for _, l := range []*ledger{edge, regional} {
		l.purge(invalidation.Hard, tag("unrelated"))
	}
	edge.purge(invalidation.Hard, invalidation.ServiceScope("nothing here"))
	s.get("/other").expect(t, 200, "v0", "edge-1; fwd=uri-miss")
	r := s.get("/")
	r.expect(t, 200, "v0", "edge-1; hit")
	if r.epoch() != edge.Applied() || r.header.Get("Tiercache-Lease") != "" {
		t.Errorf("epoch %d, lease %q", r.epoch(), r.header.Get("Tiercache-Lease"))
	}
}

// The edge has applied a purge, the regional node has not: its answer is not stored, and it is told to catch up.
func TestTiers_ARegionalNodeThatIsBehindIsAskedAgain(t *testing.T) {
	edge, regional, v := newLedger(), newLedger(), &versioned{control: "max-age=60"}
	s := twoLoggedTiers(t, "secret", edge, regional, v.serve)
	s.get("/").expect(t, 200, "v0", "stored")
	v.version.Add(1)
	regional.behind = []func(){func() { regional.purge(invalidation.Hard, tag("t")) }}
	e := edge.purge(invalidation.Hard, tag("t"))
	r := s.get("/")
	r.expect(t, 200, "v1", "edge-1; fwd=uri-miss")
	if r.epoch() != e {
		t.Errorf("epoch %d, want %d", r.epoch(), e)
	}
	s.get("/").expect(t, 200, "v1", "edge-1; hit")
}

func TestTiers_ARegionalNodeThatStaysBehindIsNotBelieved(t *testing.T) {
	edge, regional, v := newLedger(), newLedger(), &versioned{control: "max-age=60"}
	s := twoLoggedTiers(t, "secret", edge, regional, v.serve)
	s.get("/").expect(t, 200, "v0", "stored")
	v.version.Add(1)
	regional.lagging.Store(true)
	edge.purge(invalidation.Hard, tag("t"))
	for range 2 {
		if r := s.get("/"); r.status != http.StatusGatewayTimeout {
			t.Errorf("%d %q %q", r.status, r.body, r.header.Values("Cache-Status"))
		}
	}
}

func TestTiers_StampsOfStrangersAreDropped(t *testing.T) {
	l := newLedger()
	s := newLogged(t, l, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Tiercache-Epoch", "999999")
		w.Header().Set("Tiercache-Lease", "live")
		cacheable("x")(w, r)
	})
	if r := s.get("/"); r.epoch() != 100 {
		t.Errorf("the upstream's own stamp was believed: %d", r.epoch())
	}
	e := l.purge(invalidation.Hard, invalidation.HostScope("127.0.0.1"))
	s.get("/").expect(t, 200, "x", "fwd=uri-miss")
	if r := s.get("/"); r.epoch() != e {
		t.Errorf("epoch %d", r.epoch())
	}
}

func TestMinEpoch_OfAClient(t *testing.T) {
	l, v := newLedger(), &versioned{control: "max-age=60, stale-while-revalidate=60, stale-if-error=600"}
	s := newLogged(t, l, v.serve)
	s.get("/").expect(t, 200, "v0", "stored")
	v.version.Add(1)
	l.behind = []func(){func() { l.purge(invalidation.Hard, tag("t")) }}
	s.get("/", "Tiercache-Min-Epoch: 101").expect(t, 200, "v1", "stored")
	s.get("/", "Tiercache-Min-Epoch: 101").expect(t, 200, "v1", "hit")
	for _, nonsense := range []string{"99999", "-1", "x", "18446744073709551616", ""} {
		s.get("/", "Tiercache-Min-Epoch: "+nonsense).expect(t, 200, "v1", "hit")
	}
	if n := s.proxy.Stats().EpochsIgnored.Load(); n != 1 {
		t.Errorf("%d epochs above the head were counted", n)
	}
	l.lagging.Store(true)
	if r := s.get("/", "Tiercache-Min-Epoch: 102"); r.status != http.StatusGatewayTimeout || r.header.Get("Retry-After") == "" {
		t.Errorf("a node that cannot catch up: %d", r.status)
	}
	e := l.purge(invalidation.Soft, tag("t"))
	l.lagging.Store(false)
	min := "Tiercache-Min-Epoch: " + strconv.FormatUint(e, 10)
	s.get("/", min).expect(t, 200, "v1", "fwd-status=304") // not stale while it is revalidated
	l.purge(invalidation.Soft, tag("t"))
	v.down.Store(true)
	if r := s.get("/", "Tiercache-Min-Epoch: "+strconv.FormatUint(e+1, 10)); r.status == 200 {
		t.Errorf("stale on error although it asks for a newer epoch: %q", r.body)
	}
}

func strict(_ *proxy.Config, s *policy.Service) { s.OnPartition = policy.PartitionStrict }

func TestPartition_ServeStaleMarksHits(t *testing.T) {
	l, v := newLedger(), &versioned{control: "max-age=60"}
	s := newLogged(t, l, v.serve)
	s.get("/").expect(t, 200, "v0", "stored")
	l.expired.Store(true)
	s.get("/").expect(t, 200, "v0", "detail=disconnected")
	if n := s.proxy.Stats().Disconnected.Load(); n != 1 {
		t.Errorf("%d requests were counted as disconnected", n)
	}
}

func TestPartition_StrictAsksUpTheTiers(t *testing.T) {
	edge, regional, v := newLedger(), newLedger(), &versioned{control: "max-age=60, stale-if-error=600"}
	s := twoLoggedTiers(t, "secret", edge, regional, v.serve, strict)
	s.get("/").expect(t, 200, "v0", "stored")
	edge.expired.Store(true)
	s.get("/").expect(t, 200, "v0", "edge-1; fwd=stale; fwd-status=304") // the regional node holds a lease
	v.version.Add(1)
	regional.purge(invalidation.Hard, tag("t"))
	s.get("/").expect(t, 200, "v1", "edge-1; fwd=stale; fwd-status=200")
	regional.expired.Store(true)
	s.get("/").expect(t, 200, "v1", "edge-1; fwd=stale") // the site itself was asked, which vouches for what it says
	v.down.Store(true)
	if r := s.get("/"); r.status == 200 {
		t.Errorf("nobody vouches for %q", r.body)
	}
	edge.expired.Store(false)
	v.down.Store(false)
	s.get("/").expect(t, 200, "v1", "edge-1; hit")
}

func TestPartition_StrictWithoutAnybodyIs504(t *testing.T) {
	edge, regional, v := newLedger(), newLedger(), &versioned{control: "max-age=60"}
	s := twoLoggedTiers(t, "secret", edge, regional, v.serve, func(_ *proxy.Config, s *policy.Service) {
		if s.Upstream == policy.UpstreamOrigin { // at the edge alone: the regional node serves its hits unasked
			s.OnPartition = policy.PartitionStrict
		}
	})
	s.get("/").expect(t, 200, "v0", "stored")
	edge.expired.Store(true)
	regional.expired.Store(true)
	r := s.get("/")
	if r.status != http.StatusGatewayTimeout || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %q", r.status, r.body)
	}
	if r := s.do("HEAD", "/new"); r.status == http.StatusGatewayTimeout {
		t.Errorf("HEAD of what is fetched from the site itself: %d", r.status)
	}
	s.clock.advance(time.Second)
}

// Both versions have the same validator, as those of one second with Last-Modified alone have. The regional node
// knows of the purge and the edge does not: the 304 confirms bytes that are purged, and must not outlive the purge.
func TestTiers_ANotModifiedDoesNotBringPurgedBytesBack(t *testing.T) {
	edge, regional := newLedger(), newLedger()
	var version atomic.Int64
	s := twoLoggedTiers(t, "secret", edge, regional, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Surrogate-Key", "t")
		w.Header().Set("ETag", `W/"same"`)
		fmt.Fprint(w, "v", version.Load())
	})
	s.get("/").expect(t, 200, "v0", "stored")
	version.Store(1)
	s.clock.advance(61 * time.Second)
	e := regional.purge(invalidation.Hard, tag("t"))
	if r := s.get("/"); r.body == "v0" && r.epoch() >= e {
		t.Errorf("%q is said to stand as of %d, the purge is %d", r.body, r.epoch(), e)
	}
	edge.purge(invalidation.Hard, tag("t"))
	if r := s.get("/"); r.body != "v1" {
		t.Errorf("%q after the purge: %v", r.body, r.header.Values("Cache-Status"))
	}
}

// The purge comes to the edge while its conditional request is under way.
func TestTiers_APurgeDuringARevalidationIsNotLost(t *testing.T) {
	edge, regional := newLedger(), newLedger()
	var version atomic.Int64
	var once sync.Once
	s := twoLoggedTiers(t, "secret", edge, regional, func(w http.ResponseWriter, r *http.Request) {
		if version.Load() == 1 {
			once.Do(func() { edge.purge(invalidation.Hard, tag("t")) })
		}
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Surrogate-Key", "t")
		w.Header().Set("ETag", `W/"same"`)
		fmt.Fprint(w, "v", version.Load())
	})
	s.get("/").expect(t, 200, "v0", "stored")
	version.Store(1)
	s.clock.advance(61 * time.Second)
	regional.purge(invalidation.Hard, tag("t"))
	s.get("/")
	if r := s.get("/"); r.body != "v1" {
		t.Errorf("%q after the purge: %v", r.body, r.header.Values("Cache-Status"))
	}
}

// An error that a tier makes itself has no stamp, and is passed on as it is.
func TestTiers_AnErrorOfATierIsNotBehind(t *testing.T) {
	edge, regional, v := newLedger(), newLedger(), &versioned{control: "max-age=60"}
	s := twoLoggedTiers(t, "secret", edge, regional, v.serve)
	for _, l := range []*ledger{edge, regional} {
		l.purge(invalidation.Hard, invalidation.AllScope())
	}
	s.upstream.Close()
	r := s.get("/")
	if r.status != http.StatusGatewayTimeout || strings.Contains(r.body, "epoch") || s.proxy.Stats().Fills.Load() != 1 {
		t.Errorf("%d %q, the regional node was asked %d times", r.status, r.body, s.proxy.Stats().Fills.Load())
	}
}
