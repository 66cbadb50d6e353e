// Package holdingstest compares what a node says of a store, that is real and full of responses of many sizes and tags,
// with what was put there. It is for the stores' own packages, which shared/holdings may not import. Start reading at
// Count.
package holdingstest

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"tiercache/shared/cachekey"
	"tiercache/shared/holdings"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// Store is a store that can be gone through.
type Store interface {
	object.Store
	object.Walker
}

// view is a node's view of a log in which one tag was purged.
type view struct{ *invalidation.Index }

func (view) Live(time.Time) bool { return true }

// entries is how many responses there are; tags how many tags: the first is on every second response, the next on every
// fourth, and so on down to one that a handful have.
const (
	entries = 24_000
	tags    = 12
)

// truth is what there is of something.
type truth struct{ objects, bytes int64 }

// Count fills the store and counts each tag and everything, as a whole and by samples: a sample must be within a tenth,
// and say how far off it may be.
func Count(t *testing.T, store Store) {
	want := map[string]truth{}
	fill(t, store, 0, want)
	v := view{invalidation.NewIndex(100)}
	v.Purge(2, invalidation.Hard, []object.Scope{invalidation.TagScope("", "dead")})
	v.Advance(2)
	sampling := holdings.New(holdings.Config{CountAll: 2000}, holdings.Deps{Store: store, View: v, Log: slog.New(slog.DiscardHandler)})
	whole := holdings.New(holdings.Config{}, holdings.Deps{Store: store, View: v, Log: slog.New(slog.DiscardHandler)})
	sampled := 0
	var doubtful []string // tags whose sample was farther off than it said
	for tag, is := range want {
		scopes := []object.Scope{invalidation.TagScope("", tag)}
		got := count(t, whole, holdings.NewCount(scopes, tag == "all", holdings.MaxCountTime))
		if !got.Exact || got.Objects != is.objects || got.Bytes != is.bytes || got.ObjectsError != 0 {
			t.Errorf("%s as a whole: %+v, want %+v", tag, got, is)
		}
		got = count(t, sampling, holdings.NewCount(scopes, tag == "all", holdings.MaxCountTime))
		if !got.Exact {
			sampled++
		}
		if err := within(tag, got, is); err != nil {
			t.Logf("%v: once more, with as much again", err)
			doubtful = append(doubtful, tag)
		}
		short := count(t, sampling, holdings.NewCount(scopes, tag == "all", time.Microsecond))
		if off := math.Abs(float64(short.Objects - is.objects)); off > 2.5*float64(short.ObjectsError)+1 || short.Exact || short.Seen > entries/2 {
			t.Errorf("%s in no time: %+v, want %+v", tag, short, is)
		}
	}
	// By chance one of some thousands of samples is farther off; a fault is in each. Another sample of the same values would be
	// the same.
	if len(doubtful) > 0 {
		fill(t, store, 1, want)
	}
	for _, tag := range doubtful {
		got := count(t, sampling, holdings.NewCount([]object.Scope{invalidation.TagScope("", tag)}, tag == "all", holdings.MaxCountTime))
		if err := within(tag, got, want[tag]); err != nil {
			t.Errorf("twice: %v", err)
		}
	}
	if sampled < 4 {
		t.Errorf("only %d of %d counts were samples", sampled, len(want))
	}
}

// within wants a count that is within a tenth, and no farther off than it says, by much.
func within(tag string, got *holdings.Count, is truth) error {
	objects, bytes := math.Abs(float64(got.Objects-is.objects)), math.Abs(float64(got.Bytes-is.bytes))
	switch {
	case objects > 0.1*float64(is.objects) || bytes > 0.1*float64(is.bytes):
		return fmt.Errorf("%s: %+v, want %+v within a tenth", tag, got, is)
	case objects > 2*float64(got.ObjectsError) || bytes > 2*float64(got.BytesError):
		return fmt.Errorf("%s: %+v, want %+v: farther off than it says", tag, got, is)
	}
	return nil
}

func count(t *testing.T, h *holdings.Holdings, q holdings.Question) *holdings.Count {
	t.Helper()
	a := h.Answer(t.Context(), &q)
	if a.Count == nil {
		t.Fatal(a.Problem)
	}
	return a.Count
}

// fill stores responses, others in each round, and adds to want what there is of each tag, and of all that no purge has killed.
func fill(t *testing.T, store Store, round int, want map[string]truth) {
	t.Helper()
	const writers = 8
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(7+uint64(round), uint64(w)))
			for i := w; i < entries; i += writers {
				size, names, err := put(t, store, random, round*entries+i)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, name := range names {
					is := want[name]
					want[name] = truth{is.objects + 1, is.bytes + size}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// put stores one response: of some 40 bytes to 20 KB, most of them small, with some tags, one in ten of them purged.
func put(t *testing.T, store Store, random *rand.Rand, i int) (size int64, names []string, err error) {
	var list []string
	for k := range tags {
		if random.IntN(2<<k) == 0 {
			list = append(list, fmt.Sprint("tag", k))
		}
	}
	names = append([]string{"all"}, list...)
	stamp := uint64(3)
	if random.IntN(10) == 0 {
		list, names, stamp = append(list, "dead"), nil, 1
	}
	target := fmt.Sprint("/", i)
	scopes, err := invalidation.AppendScopes(nil, &invalidation.Response{Service: "s", Host: "h", Target: target, Tags: list})
	if err != nil {
		return 0, nil, err
	}
	key := cachekey.Append(nil, cachekey.Parts{Service: "s", Scheme: "http", Host: "h", Target: target})
	body := make([]byte, min(int(400*math.Exp(random.NormFloat64())), 20_000))
	head := object.Head{Kind: object.KindResponse, Key: string(key), Stamp: stamp, Scopes: scopes, BodySize: int64(len(body))}
	digest := cachekey.Digest(key)
	entry := object.AppendEntry(nil, &head, body)
	return int64(len(entry)), names, store.Store(t.Context(), string(digest[:]), entry, time.Hour)
}
