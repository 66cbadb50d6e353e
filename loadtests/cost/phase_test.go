package cost

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/loadtests/openloop"
)

// between are two moments, ten seconds apart, in which the edge used 2 s and the tiers counted something.
func between(t *testing.T) (before, after moment) {
	t.Helper()
	u, err := readUsage(platformProcesses(), 10)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1000, 0)
	before = moment{at: at, usage: u, counts: counts{1, 2, 3, 4}}
	all := platformProcesses()
	edge := all[11]
	edge.CPU += 2 * time.Second
	all[11] = edge
	if u, err = readUsage(all, 10); err != nil {
		t.Fatal(err)
	}
	return before, moment{at: at.Add(10 * time.Second), usage: u, counts: counts{101, 52, 13, 1004}}
}

func TestPhase_TakesOverWhatWasCounted(t *testing.T) {
	before, after := between(t)
	reads := openloop.Tally{Requests: 100, Errors: 1, Bytes: 5000, P50: time.Millisecond, P99: 20 * time.Millisecond}
	writes, purges := openloop.Tally{Requests: 7, Errors: 2, Bytes: 70}, openloop.Tally{Requests: 3, Errors: 4}
	type want struct {
		requests, errors, writes, purges int
		bytes                            float64
	}
	for c, c2 := range map[Case]struct {
		done []openloop.Tally
		want want
	}{
		CaseIdle:  {[]openloop.Tally{{Requests: 1}}, want{}},
		CaseL1:    {[]openloop.Tally{reads}, want{100, 1, 0, 0, 5000}},
		CaseMix:   {[]openloop.Tally{reads, writes, purges}, want{100, 7, 7, 3, 5000}},
		CaseWrite: {[]openloop.Tally{writes}, want{7, 2, 7, 0, 0}},
		CasePurge: {[]openloop.Tally{purges}, want{3, 4, 0, 3, 0}},
	} {
		p := Phase{Case: c}
		if err := p.fill(before, after, c2.done); err != nil {
			t.Fatal(err)
		}
		if got := (want{p.Requests, p.Errors, p.Writes, p.Purges, p.Bytes}); got != c2.want {
			t.Errorf("%s: %+v, want %+v", c, got, c2.want)
		}
		if p.Seconds != 10 || p.CPU[Edge] != 2 || p.EdgeRequests != 100 || p.RegionalRequests != 50 || p.OriginRequests != 10 || p.OriginBytes != 1000 || p.Memory[Edge] != 140 {
			t.Errorf("%s: %+v", c, p)
		}
	}
}

func TestRatesOf(t *testing.T) {
	hits := []float64{1000, 4000}
	for c, want := range map[Case][]float64{CaseL1: hits, CaseMix: {500, 2000}, CaseL2: {250, 1000}, CaseFill: {100, 400}, CaseWrite: {50}, CasePurge: {50}} {
		if got := ratesOf(c, hits); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c, got, want)
		}
	}
}

// Each case has as many requests as its rate and time make, and no two phases of the same case ask for the same.
func TestStreams(t *testing.T) {
	r := &run{set: newSet(minObjects)}
	for c, want := range map[Case][]int{CaseL1: {2000}, CaseL2: {2000}, CaseFill: {2000}, CaseMix: {2000, 20, 2}, CaseWrite: {2000}, CasePurge: {2000}} {
		var got []int
		for _, s := range r.streams(c, 1000, 2*time.Second) {
			got = append(got, s.Count)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c, got, want)
		}
	}
	if r.cursor != 2000 || r.fills != 2000 || r.versions != 2020 || r.drawn != 6 {
		t.Errorf("cursor %d, fills %d, versions %d, drawn %d", r.cursor, r.fills, r.versions, r.drawn)
	}
}

func TestRequests_FailWithTheObjectTheyAskedFor(t *testing.T) {
	r := &run{set: newSet(minObjects)}
	r.reader = newReader("http://127.0.0.1:1", r.set)
	defer r.reader.close()
	last, next := r.streams(CaseL2, 1000, time.Second)[0], r.streams(CaseL2, 1000, time.Second)[0]
	fill := r.streams(CaseFill, 1000, time.Second)[0]
	for _, c := range []struct {
		stream openloop.Stream
		i      int
		want   string
	}{{last, 0, "/objects/9999?l2=0"}, {last, 999, "/objects/9000?l2=999"}, {next, 0, "/objects/8999?l2=1000"}, {fill, 5, "/objects/5?fill=5"}} {
		_, err := c.stream.Do(t.Context(), c.i)
		if err == nil || !strings.Contains(err.Error(), c.want+`"`) || errors.Is(err, errWrong) {
			t.Errorf("got %v, want one of %s", err, c.want)
		}
	}
}

// What the edge is asked for in a phase of L2 is what the regional node was asked for before, and nothing else.
func TestFillL2_AsksForWhatComes(t *testing.T) {
	r := &run{set: newSet(minObjects), cursor: 500}
	asked := func(seen *sync.Map) *reader {
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			seen.Store(req.URL.String(), true)
			object, _ := strconv.Atoi(strings.TrimPrefix(req.URL.Path, "/objects/"))
			_, _ = w.Write(make([]byte, r.set.sizes[object]))
		}))
		t.Cleanup(site.Close)
		return newReader(site.URL, r.set)
	}
	var atRegional, atEdge sync.Map
	r.regional, r.reader = asked(&atRegional), asked(&atEdge)
	if err := r.fillL2(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	for _, lasting := range []time.Duration{200 * time.Millisecond, 800 * time.Millisecond} { // warm-up, phase
		for _, done := range r.drive(t.Context(), CaseL2, 100, lasting) {
			if done.First != nil {
				t.Fatal(done.First)
			}
		}
	}
	n := 0
	atEdge.Range(func(url, _ any) bool {
		if _, ok := atRegional.Load(url); !ok {
			t.Errorf("%s is not in L2", url)
		}
		n++
		return true
	})
	if n != 100 {
		t.Errorf("%d objects were asked for", n)
	}
	r.regional = newReader("http://127.0.0.1:1", r.set)
	if err := r.fillL2(t.Context(), 1); err == nil {
		t.Error("nobody answered")
	}
}
