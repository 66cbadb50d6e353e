package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/object"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// varied answers with the value of X-Any, by which it varies.
func varied(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=60")
	w.Header().Set("Vary", "X-Any")
	fmt.Fprint(w, r.Header.Get("X-Any"))
}

// responses is how many responses the store holds.
func responses(m *memory) (n int) {
	m.each(func(_ string, value []byte) []byte {
		var head object.Head
		if _, err := object.DecodeEntry(value, &head); err == nil && head.Kind == object.KindResponse {
			n++
		}
		return value
	})
	return n
}

// One more variant than a URL may have evicts its oldest, and nothing else.
func TestVary_AURLHas64VariantsAtMost(t *testing.T) {
	s := newSystem(t, varied)
	s.get("/neighbour", "X-Any: 0").expect(t, 200, "0", "stored")
	for i := range 100 {
		v := strconv.Itoa(i)
		s.get("/", "X-Any: "+v).expect(t, 200, v, "stored")
	}
	if n := responses(s.store); n != 65 {
		t.Errorf("%d responses are stored, want 64 variants and the neighbour", n)
	}
	for i := 36; i < 100; i++ {
		v := strconv.Itoa(i)
		s.get("/", "X-Any: "+v).expect(t, 200, v, "hit")
	}
	s.get("/neighbour", "X-Any: 0").expect(t, 200, "0", "hit")
	s.get("/", "X-Any: 35").expect(t, 200, "35", "fwd=vary-miss; fwd-status=200; ttl=")
	s.get("/", "X-Any: 37").expect(t, 200, "37", "hit")
	s.get("/", "X-Any: 36").expect(t, 200, "36", "fwd=vary-miss") // the oldest by then
	if n := s.proxy.Stats().VariantsEvicted.Load(); n != 38 {
		t.Errorf("%d variants were evicted, want 38", n)
	}
}

// What is stored again takes no second place.
func TestVary_AVariantThatIsFetchedAgainTakesNoOtherPlace(t *testing.T) {
	s := newSystem(t, varied)
	for range 3 {
		for i := range 64 {
			v := strconv.Itoa(i)
			s.get("/", "X-Any: "+v).expect(t, 200, v, "stored")
		}
		s.clock.advance(61 * time.Second)
	}
	if n := responses(s.store); n != 64 || s.proxy.Stats().VariantsEvicted.Load() != 0 {
		t.Errorf("%d responses, %d evicted", n, s.proxy.Stats().VariantsEvicted.Load())
	}
}

// upstream is an Upstream that is a function.
type upstream func(*proxy.Request) *proxy.Response

func (u upstream) Fetch(_ context.Context, _ *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	return u(r), nil
}

// Variants that are all on their way at once are no more in the end: those that fell off the list meanwhile are not
// kept, for nothing would ever evict them.
func TestVary_TheBoundHoldsForFillsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		p := newPair(t, nil, nil, upstream(func(r *proxy.Request) *proxy.Response {
			v := r.Header.Value("X-Any")
			body := &heldBack{strings.NewReader(v), open}
			if v == "00" {
				body.until = nil
			}
			return &proxy.Response{Status: 200, Length: 2, Body: io.NopCloser(body), Header: httpcache.Fields{
				{Name: "Cache-Control", Value: "max-age=60"}, {Name: "Vary", Value: "X-Any"},
			}}
		}))
		p.regionalStore.looked = func() { // what one fill has read of the list, others may change before it writes
			for range 100 {
				runtime.Gosched()
			}
		}
		ask(t.Context(), p.regional, "/", "X-Any: 00") // now the names are known, so that no request waits for another
		var all sync.WaitGroup
		for i := 10; i < 99; i++ {
			v := strconv.Itoa(i)
			all.Go(func() { ask(t.Context(), p.regional, "/", "X-Any: "+v).expect(t, 200, v, "stored") })
		}
		synctest.Wait()
		close(open)
		all.Wait()
		synctest.Wait()
		if n := responses(p.regionalStore); n != 64 {
			t.Errorf("%d variants are stored, want 64", n)
		}
	})
}
