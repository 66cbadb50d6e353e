package cost

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReader_WantsTheWholeObject(t *testing.T) {
	set := newSet(20)
	answer := func(status, size int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Host != host || r.URL.Path != "/objects/3" || r.URL.RawQuery != "fill=1" {
				t.Errorf("%s %s", r.Host, r.URL)
			}
			w.WriteHeader(status)
			_, _ = w.Write(make([]byte, size)) // the test looks at what arrives
		}
	}
	for name, c := range map[string]struct {
		status, size int
		good         bool
	}{"good": {200, set.sizes[3], true}, "status": {503, set.sizes[3], false}, "short": {200, set.sizes[3] - 1, false}} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer(c.status, c.size))
			defer server.Close()
			r := newReader(server.URL, set)
			defer r.close()
			n, err := r.read(t.Context(), 3, "?fill=1")
			if n != int64(c.size) || (err == nil) != c.good || err != nil && !errors.Is(err, errWrong) {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

// The same seed makes the same objects and the same requests.
func TestSet_IsTheSameEachTime(t *testing.T) {
	const count = 20_000
	a, b := newSet(count), newSet(count)
	found := map[int]int{}
	for i := range a.sizes {
		if a.sizes[i] != b.sizes[i] {
			t.Fatalf("object %d has %d and %d bytes", i, a.sizes[i], b.sizes[i])
		}
		found[a.sizes[i]]++
	}
	for _, share := range sizes() {
		if got := 100 * float64(found[share.Bytes]) / count; got < float64(share.Percent)-1 || got > float64(share.Percent)+1 {
			t.Errorf("%.1f %% of %d bytes, want %d", got, share.Bytes, share.Percent)
		}
	}
	if one, two := string(a.content(5, 1)), string(a.content(5, 2)); one == two || len(one) != a.sizes[5] || one != string(b.content(5, 1)) {
		t.Error("contents: versions are alike, or differ in size, or are not had again")
	}
	first, again, other := popular(1000, 5000, 1), popular(1000, 5000, 1), popular(1000, 5000, 2)
	same, head := 0, 0
	for i := range first {
		if first[i] != again[i] || first[i] < 0 || first[i] >= 1000 {
			t.Fatalf("draw %d: %d, then %d", i, first[i], again[i])
		}
		if first[i] == other[i] {
			same++
		}
		if first[i] < 10 {
			head++
		}
	}
	if same == len(first) || head < len(first)/4 {
		t.Errorf("%d of another stream are the same; %d of %d are of the ten most popular", same, head, len(first))
	}
}

func TestPhase_Check(t *testing.T) {
	for name, c := range map[string]struct {
		phase Phase
		want  string
	}{
		"hits":           {Phase{Case: CaseL1, Requests: 1000, EdgeRequests: 1000, RegionalRequests: 5}, ""},
		"hits that miss": {Phase{Case: CaseL1, Requests: 1000, EdgeRequests: 1000, RegionalRequests: 50}, "5.0 % of the requests were not answered from L1"},
		"L2":             {Phase{Case: CaseL2, Requests: 1000, EdgeRequests: 1000, RegionalRequests: 990}, ""},
		"L2 that hits":   {Phase{Case: CaseL2, Requests: 1000, EdgeRequests: 1000, RegionalRequests: 500}, "50.0 % of the requests reached the regional node"},
		"L2 that fills":  {Phase{Case: CaseL2, Requests: 1000, EdgeRequests: 1000, RegionalRequests: 1000, OriginRequests: 100}, "10.0 % the origin"},
		"fills":          {Phase{Case: CaseFill, Requests: 1000, EdgeRequests: 1000, OriginRequests: 900}, "90.0 % of the requests reached the origin"},
		"failures":       {Phase{Case: CaseMix, Requests: 1000, EdgeRequests: 1000, Errors: 2}, "2 of 1000 requests failed"},
		"one failure":    {Phase{Case: CaseMix, Requests: 1000, EdgeRequests: 1000, Errors: 1}, ""},
	} {
		err := c.phase.check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
