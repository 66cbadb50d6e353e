package peers

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/valyala/fasthttp"

	"tiercache/shared/testkit"
)

const wrkSaid = `Running 2s test @ http://127.0.0.1:21000/1024/0
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.10ms    1.02ms  20.30ms   88.10%
    Req/Sec    29.48k     2.11k   34.00k    70.00%
  58720 requests in 2.00s, 71.23MB read
Requests/sec:  29312.44
Transfer/sec:     35.55MB
`

func TestParseWrk(t *testing.T) {
	if n, rate, err := parseWrk(wrkSaid); err != nil || n != 58720 || rate != 29312.44 {
		t.Errorf("%d, %v, %v", n, rate, err)
	}
	for what, said := range map[string]string{
		"errors of the server": strings.Replace(wrkSaid, "Requests/sec", "  Non-2xx or 3xx responses: 12\nRequests/sec", 1),
		"broken connections":   strings.Replace(wrkSaid, "Requests/sec", "  Socket errors: connect 0, read 3, write 0, timeout 1\nRequests/sec", 1),
		"no requests":          strings.Replace(wrkSaid, "58720", "0", 1),
		"something else":       "unable to connect",
	} {
		if n, rate, err := parseWrk(said); err == nil {
			t.Errorf("%s: %d, %v", what, n, rate)
		}
	}
}

func TestMedian(t *testing.T) {
	same := func(v float64) float64 { return v }
	for want, values := range map[float64][]float64{0: nil, 3: {3}, 2: {9, 1, 2}, 2.5: {1, 4, 3, 2}} {
		if got := median(values, same); got != want {
			t.Errorf("%v: %v, want %v", values, got, want)
		}
	}
}

func TestChosen_NamesWhatIsNotThere(t *testing.T) {
	if list, err := chosen([]string{"nginx", "tiercache"}); err != nil || len(list) != 2 || list[0].name != "nginx" {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := chosen([]string{"squid"}); err == nil || !strings.Contains(err.Error(), "squid") {
		t.Error(err)
	}
	if _, err := chosenCases([]string{"2 KiB"}); err == nil || !strings.Contains(err.Error(), "2 KiB") {
		t.Error(err)
	}
}

// Popularity falls with the rank, and every draw is an object that was filled.
func TestWorkload_Zipf(t *testing.T) {
	w := workload{objects: 100, size: 10, zipf: true}
	counts, filled := map[string]int{}, map[string]bool{}
	for n := range w.objects {
		filled[w.path(n)] = true
	}
	for _, path := range w.paths() {
		if counts[path]++; !filled[path] {
			t.Fatalf("%s was not filled", path)
		}
	}
	if first, tenth := counts[w.path(0)], counts[w.path(9)]; first < 3*tenth || tenth == 0 {
		t.Errorf("%d times the first, %d times the tenth", first, tenth)
	}
}

// The open loop counts from when a request was to be sent: a server that stalls makes those behind it late as well.
func TestOpenLoop_CountsFromTheIntendedTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const stall = 200 * time.Millisecond
	requests := 0 // there is one connection
	s := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		if requests++; requests == 10 {
			<-time.After(stall)
		}
		answer(ctx)
	}}
	go func() { _ = s.Serve(l) }() // until Shutdown
	defer func() { _ = s.Shutdown() }()
	r := &run{cfg: Config{Connections: 1, Lasting: time.Second}}
	took, err := r.openLoop(t.Context(), &server{addr: l.Addr().String()}, workload{objects: 1, size: 100}, 200)
	if err != nil || took.Requests != 200 {
		t.Fatalf("%+v, %v", took, err)
	}
	// Of 200 a second some 40 come in the stall; by p99 at least one that waited for most of it.
	if took.Max < stall || took.P99 < stall/2 || took.P50 > stall/2 {
		t.Errorf("%+v", took)
	}
	if _, err := r.openLoop(t.Context(), &server{addr: l.Addr().String()}, workload{objects: 1, size: largest + 1}, 200); err == nil {
		t.Error("an answer that is none is no error")
	}
}

func TestReport_HasEachServerAndIsDrawn(t *testing.T) {
	r := &Report{Machine: "2 x a processor", Config: Config{Rounds: 1}, Cases: []Case{{Name: "1 KiB", Rate: 70, Servers: []Measured{
		{Name: "tiercache", Rounds: []Round{{Rate: 90, CPU: 11 * time.Microsecond}}, Latencies: []Latency{{P50: time.Millisecond, P99: 2 * time.Millisecond}}},
		{Name: "bare fasthttp", Rounds: []Round{{Rate: 100}}}, {Name: "nginx", Rounds: []Round{{Rate: 45}}},
	}}}, Memory: []Memory{{"nginx", 1 << 20, 5000}}}
	text := r.String()
	for _, want := range []string{"nginx          45          2.00", "bare fasthttp  100         0.90", "1000 us", "11.0 us", "P99 AT 70/S", "1 MiB       5000"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	r.Profile = []Share{{"kernel: send", 0.4}}
	page := filepath.Join(t.TempDir(), "page.md")
	if err := r.Page(page); err == nil {
		t.Error("a page that is not there")
	}
	if err := os.WriteFile(page, []byte("before\n"+pageBegin+"\nold\n"+pageEnd+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Page(page); err != nil {
			t.Fatal(err)
		}
	}
	made, err := os.ReadFile(page)
	if err != nil || !strings.HasPrefix(string(made), "before\n") || !strings.HasSuffix(string(made), "\nafter\n") || strings.Contains(string(made), "old") ||
		strings.Count(string(made), "| kernel: send | 40.0 % |") != 1 {
		t.Errorf("%s, %v", made, err)
	}
	names, err := r.Save(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if f, err := os.Stat(name); err != nil || f.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server is pinned, ends with its children, and its processes are found.
func TestServer_StopsAllThatItBegan(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // answers for it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	pids := filepath.Join(t.TempDir(), "pids")
	c := contender{name: "two", command: func(context.Context, *stand) ([]string, error) {
		return []string{"sh", "-c", "sleep 600 & echo $! > " + pids + "; wait"}, nil
	}}
	r := &run{dir: t.TempDir(), site: &site{}}
	s, err := r.start(t.Context(), c, l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		if n := len(s.processes()); n < 2 {
			return fmt.Errorf("%d processes", n)
		}
		return nil
	})
	if bytes, err := s.resident(); err != nil || bytes == 0 {
		t.Errorf("%d bytes, %v", bytes, err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	child, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(child)) + "/stat")
		if err == nil && !strings.Contains(string(state), ") Z ") {
			return fmt.Errorf("its child lives: %s", state)
		}
		return nil
	})
}

// A sample belongs to its innermost part: what the kernel does for fasthttp is the kernel's.
func TestShares_OfTheInnermostPart(t *testing.T) {
	sample := func(value int64, frames ...string) *profile.Sample {
		s := &profile.Sample{Value: []int64{1, value}}
		for _, name := range frames {
			s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}})
		}
		return s
	}
	got := shares(&profile.Profile{Sample: []*profile.Sample{
		sample(60, "syscall.Syscall", "internal/poll.(*FD).Write", "net.(*conn).Write", "github.com/valyala/fasthttp.(*Server).serveConn"),
		sample(30, "runtime.memmove", "github.com/allegro/bigcache/v3.(*BigCache).Get", "tiercache/shared/proxy.(*Proxy).serve"),
		sample(10, "runtime.nanotime"),
	}})
	if want := []Share{{"kernel: send", 0.6}, {"L1: look up and copy", 0.3}, {"Go: the rest", 0.1}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
