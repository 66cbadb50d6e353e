package hitratio

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	got, err := parse("t", strings.NewReader("a 10\n-7 0\na 30\n\na 20\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Sized || got.Objects != 2 || got.Bytes != 31 || fmt.Sprint(got.requests) != "[{0 10} {1 1} {0 30} {0 20}]" {
		t.Errorf("%+v", got)
	}
	if got, err := parse("t", strings.NewReader("a\nb\n")); err != nil || got.Sized || got.Bytes != 2048 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "a x", "a -1", "a 99999999999"} {
		if _, err := parse("t", strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// requestsOf makes requests for objects of one size.
func requestsOf(objects ...uint32) (requests []request) {
	for _, o := range objects {
		requests = append(requests, request{o, 10})
	}
	return requests
}

func TestLRU(t *testing.T) {
	trace := Trace{requests: requestsOf(1, 2, 3, 1, 4, 2, 1)} // 4 pushes out 2, 2 pushes out 3
	c, err := newLRU(30)
	if err != nil {
		t.Fatal(err)
	}
	got, err := replay(t.Context(), c, &trace, 1)
	if err != nil || got.Requests != 2.0/7 {
		t.Errorf("%v of requests, %v, want 2 of 7", got.Requests, err)
	}
}

func TestBelady(t *testing.T) {
	for _, c := range []struct {
		room, want int
	}{{1, 3}, {2, 4}, {3, 5}} {
		if got := belady(requestsOf(1, 2, 1, 3, 1, 2, 3, 1), 4, c.room); got != c.want {
			t.Errorf("room for %d: %d hits, want %d", c.room, got, c.want)
		}
	}
}

// skewed has objects that are asked for again and again, a scan in the middle, and bodies of several segments.
func skewed() string {
	random := rand.New(rand.NewPCG(1, 2))
	popular := rand.NewZipf(random, 1.2, 8, 2000)
	var b strings.Builder
	for i := range 8_000 {
		object := popular.Uint64()
		fmt.Fprintln(&b, object, 1000+object*37%4000+object%50/49*600_000)
		if i%3 == 0 {
			fmt.Fprintln(&b, 1_000_000+i, 2000)
		}
	}
	return b.String()
}

// TestRun replays a made-up trace through everything and wants files that say so.
func TestRun(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"sized": skewed(), "equal": strings.Repeat("a\nb\nc\nd\n", 500)} {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := io.WriteString(z, text); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name+".keys.gz"), packed.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	traces, err := readTraces(folder)
	if err != nil || len(traces) != 2 || traces[1].Name != "sized" || !traces[1].Sized || traces[0].Sized {
		t.Fatalf("%+v, %v", traces, err)
	}
	m := Measured{Trace: &traces[1], Copies: 1, Share: 20, Budget: max(16<<20, traces[1].Bytes/5), Ratios: map[string]Ratio{}}
	if err := m.replay(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range contenders() {
		if v := m.Ratios[c.name]; v.Requests < 0.3 || v.Requests > 0.8 || v.Bytes <= 0 || v.Bytes > 0.9 {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
	if _, ok := m.Ratios[nameOptimum]; ok {
		t.Error("an optimum for objects of many sizes")
	}
	files, err := Report{Rows: []Measured{m}}.Save(filepath.Join(folder, "results"), time.Now())
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if b, err := os.ReadFile(file); err != nil || len(b) < 100 {
			t.Errorf("%s: %d bytes, %v", file, len(b), err)
		}
	}
}

func TestReport_SaysWhatWasMissed(t *testing.T) {
	row := func(l1, tiny, plain float64) Measured {
		return Measured{Trace: &Trace{Name: "t"}, Ratios: map[string]Ratio{nameL1: {Requests: l1}, nameTinyLFU: {Requests: tiny}, namePlain: {Requests: plain}}}
	}
	r := Report{Rows: []Measured{row(.5, .504, .4), row(.5, .506, .4), row(.5, .4, .5)}}
	if missed := r.Missed(); len(missed) != 2 || !strings.Contains(r.String(), "Missed: 2 of 3") {
		t.Errorf("%d missed\n%s", len(missed), r)
	}
}
