package framing

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	table = "testdata/verdicts.tsv"
	// minCases is how many requests there must be at least.
	minCases = 500
	// workers is how many conversations there are at a time. Servers wait for nothing but the client.
	workers = 32
)

// request is one case. In its bytes {id} stands for a number of its own, which each target has between dashes, and
// what would be a request of its own if a server took it for one has too.
type request struct {
	name string
	raw  string
}

// bytes is what is sent as the request with that number: the request and the canary.
func (r request) bytes(number int) string {
	return strings.ReplaceAll(r.raw+"GET /canary-{id}- HTTP/1.1\r\nHost: canary.test\r\n\r\n", "{id}", strconv.Itoa(number))
}

// servers are all that a request is sent to.
type servers struct {
	alone, tiers string // edges: in front of the upstream, and of a regional node
	behind       *recorder
	behindTiers  *recorder
	peers        []peer
}

// peer is a server that edges are compared with.
type peer struct {
	name, addr string
}

func newServers(t *testing.T) *servers {
	t.Helper()
	s := &servers{behind: newRecorder(t, goodField), behindTiers: newRecorder(t, goodField)}
	behindNginx := newRecorder(t, anyField)
	s.alone = edgeAlone(t, s.behind.url)
	s.tiers, _ = edgeAndRegional(t, s.behindTiers.url)
	s.peers = []peer{{"net/http", netHTTP(t)}, {"nginx", nginx(t, behindNginx.url)}}
	return s
}

// verdicts are what was said of one request.
type verdicts struct {
	ours, tiers verdict
	peers       []verdict
}

// TestDifferential asks all servers and holds the edge to the rules.
func TestDifferential(t *testing.T) {
	if testing.Short() {
		t.Skip("runs several servers: not with -short")
	}
	requests := allRequests(t)
	s := newServers(t)
	all := make([]verdicts, len(requests))
	next := make(chan int)
	var asking sync.WaitGroup
	for range workers {
		asking.Go(func() {
			for n := range next {
				all[n] = s.ask(t, requests[n], n)
			}
		})
	}
	for n := range requests {
		next <- n
	}
	close(next)
	asking.Wait()
	if t.Failed() {
		return
	}
	for n, r := range requests {
		for _, wrong := range all[n].rules() {
			t.Errorf("%s: %s\nours %s\ntiers %s\n%s %s\n%s %s", r.name, wrong, all[n].ours, all[n].tiers,
				s.peers[0].name, all[n].peers[0], s.peers[1].name, all[n].peers[1])
		}
		s.upstreamsGot(t, r, n, all[n])
	}
	for _, recorder := range []*recorder{s.behind, s.behindTiers} {
		for _, wrong := range recorder.broken {
			t.Errorf("an upstream of ours got: %s", wrong)
		}
	}
	compare(t, requests, all)
	summarize(t, requests, all)
}

// ask sends one request to all servers.
func (s *servers) ask(t *testing.T, r request, number int) verdicts {
	raw := r.bytes(number)
	say := func(addr string) verdict {
		v, err := converse(addr, raw)
		if err != nil {
			t.Errorf("%s: %s: %v", r.name, addr, err)
		}
		return v
	}
	v := verdicts{ours: say(s.alone), tiers: say(s.tiers)}
	for _, p := range s.peers {
		v.peers = append(v.peers, say(p.addr))
	}
	return v
}

// rules says which rules the edge breaks.
func (v *verdicts) rules() (wrong []string) {
	if v.ours.String() != v.tiers.String() {
		wrong = append(wrong, "an edge with a regional node behind it says something else than one without")
	}
	if v.disputed() && !v.ours.refused() {
		wrong = append(wrong, "the others disagree about it, and it is not refused and closed")
	}
	if !v.ours.accepted() {
		return wrong
	}
	for _, peer := range v.peers {
		switch {
		case peer.waits():
			wrong = append(wrong, "accepted, and somebody waits for more of it")
		case !peer.accepted():
		case !sameRequest(v.ours[0].reading, peer[0].reading):
			wrong = append(wrong, "accepted, and somebody reads another request")
		case disagreeBehind(v.ours, peer):
			wrong = append(wrong, "accepted, and somebody finds the next one elsewhere")
		}
	}
	return wrong
}

// sameRequest compares what an edge's upstream and another server got. The body of a method that has no use for one
// is not passed on; where it ends is seen by what is read behind it.
func sameRequest(ours, other *reading) bool {
	a, b := *ours, *other
	switch a.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		if a.Length == 0 {
			b.Length, b.Digest = a.Length, a.Digest
		}
	}
	return a == b
}

// disputed reports whether two of the others that both take the request disagree about its body or about where the
// next request begins; one that waits for more takes it too.
func (v *verdicts) disputed() bool {
	for i, a := range v.peers {
		for _, b := range v.peers[i+1:] {
			switch {
			case a.accepted() && b.waits(), b.accepted() && a.waits():
				return true
			case !a.accepted() || !b.accepted():
			case a[0].reading.Digest != b[0].reading.Digest, disagreeBehind(a, b):
				return true
			}
		}
	}
	return false
}

// disagreeBehind reports whether two servers that took the first request took different ones behind it. One that
// refuses what is there, or has closed, does not say where it looked.
func disagreeBehind(a, b verdict) bool {
	if len(a) < 2 || len(b) < 2 || a[1].reading == nil || b[1].reading == nil {
		return false
	}
	return !sameRequest(a[1].reading, b[1].reading)
}

// upstreamsGot wants the upstream behind each edge to have got what that edge says it read, once, and nothing else.
func (s *servers) upstreamsGot(t *testing.T, r request, number int, v verdicts) {
	t.Helper()
	for _, way := range []struct {
		name     string
		upstream *recorder
		said     verdict
	}{{"the edge", s.behind, v.ours}, {"the regional node", s.behindTiers, v.tiers}} {
		var said []reading
		for _, i := range way.said {
			if i.reading != nil {
				said = append(said, *i.reading)
			}
		}
		if got := way.upstream.of(number); fmt.Sprint(got) != fmt.Sprint(said) {
			t.Errorf("%s: the upstream of %s got %v, and the client was told %v", r.name, way.name, got, said)
		}
	}
}

// compare wants what the table says. The others' verdicts are compared only with those of the same versions.
func compare(t *testing.T, requests []request, all []verdicts) {
	t.Helper()
	versions := fmt.Sprintf("# %s, %s", runtime.Version(), nginxVersion(t))
	lines := []string{versions, "# request\tours\tnet/http\tnginx"}
	for n, r := range requests {
		lines = append(lines, fmt.Sprintf("%s\t%s\t%s\t%s", r.name, all[n].ours, all[n].peers[0], all[n].peers[1]))
	}
	text := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(table, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	stored, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(stored), "\n"), "\n")
	columns := 4
	if want[0] != versions {
		t.Logf("%s has verdicts of others, so only ours are compared: %s, not %s", table, want[0], versions)
		columns = 2
	}
	if len(want) != len(lines) {
		t.Fatalf("%s has %d requests, there are %d: go test ./loadtests/framing -update", table, len(want)-2, len(requests))
	}
	for i := 2; i < len(lines); i++ {
		got, wanted := strings.Split(lines[i], "\t"), strings.Split(want[i], "\t")
		if a, b := strings.Join(got[:columns], "\t"), strings.Join(wanted[:min(columns, len(wanted))], "\t"); a != b {
			t.Errorf("got  %s\nwant %s", a, b)
		}
	}
}

// nginxVersion is what nginx says of itself.
func nginxVersion(t *testing.T) string {
	t.Helper()
	said, err := exec.Command(nginxPath(t), "-v").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(said)), "nginx version: ")
}

// summarize logs how often who said what.
func summarize(t *testing.T, requests []request, all []verdicts) {
	t.Helper()
	ours, disputed := 0, 0
	type count struct{ both, oursOnly, peerOnly, neither int }
	counts := make([]count, 2)
	for _, v := range all {
		if v.ours.accepted() {
			ours++
		}
		if v.disputed() {
			disputed++
		}
		for i, p := range v.peers {
			c := &counts[i]
			switch a, b := v.ours.accepted(), p.accepted(); {
			case a && b:
				c.both++
			case a:
				c.oursOnly++
			case b:
				c.peerOnly++
			default:
				c.neither++
			}
		}
	}
	t.Logf("%d requests: %d accepted, %d refused; the others disagree about %d", len(requests), ours, len(requests)-ours, disputed)
	for i, name := range []string{"net/http", "nginx"} {
		c := counts[i]
		t.Logf("%s: both accept %d, only ours %d, only it %d, neither %d", name, c.both, c.oursOnly, c.peerOnly, c.neither)
	}
}
