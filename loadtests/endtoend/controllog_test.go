package endtoend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/loadtests/million"
	"tiercache/loadtests/promises"
	"tiercache/loadtests/purges"
)

// TestControlLog is the life of a fleet of two regions and four edges: what is written or purged is gone from
// all of it, which each node confirms; also while NATS is away, and while control comes back.
func TestControlLog(t *testing.T) {
	wholeRun(t)
	u := started(t, "--regions", "2", "--edges", "4")
	for _, part := range []struct {
		name string
		run  func(*testing.T, *up)
	}{
		{"WritesAreSeenEverywhere", testWritesAreSeen},
		{"PurgeOfEachKind", testPurgeKinds},
		{"PurgesAreQuick", testPurgesAreQuick},
		{"PurgeOfMany", testPurgeOfMany},
		{"Policy", testPolicy},
		{"ReadersAndWriters", testReadersAndWriters},
		{"NATSAway", testNATSAway},
		{"ControlRestarts", testControlRestarts},
		{"StaticStability", testStaticStability},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, u) })
	}
}

// long makes the outages and the hammer last as long as the promise says: set by `make test-control`.
func long() bool { return os.Getenv("TIERCACHE_LONG_TESTS") != "" }

func edges(u *up) []string {
	return []string{u.edge(1), u.edge(2), u.edge(3), u.edge(4)}
}

func (u *up) control(t *testing.T, args ...string) ended {
	t.Helper()
	return tiercache(t, append(args, "--data-dir", u.dir, "--control", u.url(controlPort))...)
}

// testWritesAreSeen writes, once with receipts and once with the epoch alone, and reads at all edges.
func testWritesAreSeen(t *testing.T, u *up) {
	const host = "Host: written.example.test"
	for i := range 10 {
		body := fmt.Sprintf("version %d", i)
		args := u.objectArgs([]string{"put", "written.example.test/page", "-", "--cache-control", "public, max-age=3600"})
		wait := i%2 == 0
		if wait {
			args = append(args, "--wait")
		} else {
			args = append(args, "-o", "json")
		}
		out := tiercacheReading(t, strings.NewReader(body), args...).succeeds(t)
		fields := []string{host}
		if !wait {
			var written struct{ Epoch uint64 }
			if err := json.Unmarshal([]byte(out), &written); err != nil || written.Epoch == 0 {
				t.Fatalf("no epoch in %s: %v", out, err)
			}
			fields = append(fields, "Tiercache-Min-Epoch: "+strconv.FormatUint(written.Epoch, 10))
		}
		for _, edge := range edges(u) {
			get(t, edge+"/page", fields...).is(t, http.StatusOK, body)
			get(t, edge+"/page", host).saysThat(t, "; hit")
		}
	}
}

// testPurgeKinds purges by each kind; all six nodes have it applied, and no edge has a hit then.
func testPurgeKinds(t *testing.T, u *up) {
	const host = "purged.example.test"
	args := u.objectArgs([]string{"put", host + "/dir/page", "-", "--cache-control", "public, max-age=3600", "--tag", "t1"})
	tiercacheReading(t, strings.NewReader("content"), append(args, "--wait")...).succeeds(t)
	for _, kind := range [][]string{
		{"--url", "http://" + host + "/dir/page"}, {"--tag", "t1"}, {"--tag", "t1", "--in", "default"}, {"--prefix", "http://" + host + "/dir/"},
		{"--host", host}, {"--service", "default"}, {"--all"}, {"--tag", "t1", "--soft"},
	} {
		for _, edge := range edges(u) {
			get(t, edge+"/dir/page", "Host: "+host).is(t, http.StatusOK, "content")
			get(t, edge+"/dir/page", "Host: "+host).saysThat(t, "; hit")
		}
		out := u.control(t, append([]string{"purge", "--wait", "-o", "json"}, kind...)...).succeeds(t)
		var p client.Purge
		if err := json.Unmarshal([]byte(out), &p); err != nil || p.State != client.StateComplete || len(p.Nodes) != 6 {
			t.Fatalf("%v: %s, %v", kind, out, err)
		}
		for _, n := range p.Nodes {
			if n.State != client.StateApplied {
				t.Errorf("%v: %+v", kind, n)
			}
		}
		for _, edge := range edges(u) {
			got := get(t, edge+"/dir/page", "Host: "+host)
			got.is(t, http.StatusOK, "content")
			if status := got.header.Values("Cache-Status"); strings.Contains(status[len(status)-1], "; hit") {
				t.Errorf("%v: a hit at %s after the purge: %v", kind, edge, status)
			}
		}
	}
	u.control(t, "purge", "--tag", "").fails(t, "tag")
	u.control(t, "purge", "--url", "ftp://x/").fails(t, "url")
}

// testPurgesAreQuick logs figures; how quick is quick on this machine is for a benchmark to say. None may be
// answered too early.
func testPurgesAreQuick(t *testing.T, u *up) {
	report, err := purges.Run(t.Context(), purges.Config{
		Control: u.url(controlPort), Token: u.token(t), Host: "quick.example.test", Service: "default", Count: 20,
	})
	if err != nil || slices.ContainsFunc(report.Kinds, func(k purges.Kind) bool { return k.Incomplete > 0 }) {
		t.Errorf("%v\n%v", err, report)
	}
	t.Logf("purges with receipts of six nodes:\n%v", report)
}

// testPurgeOfMany purges tags that each of 500 stored objects carries: none of them is a hit afterwards.
// `go run ./loadtests/million/run` does it with a million.
func testPurgeOfMany(t *testing.T, u *up) {
	report, err := million.Run(t.Context(), million.Config{
		Control: u.url(controlPort), Token: u.token(t), Edges: edges(u)[:2], Objects: 500, Purges: 5,
	})
	if err == nil {
		err = report.Check()
	}
	if err != nil {
		t.Errorf("%v\n%v", err, report)
	}
	t.Logf("tags on one object and on many:\n%v", report)
}

// testPolicy changes the lifetime that a rule sets: all edges follow without a restart. A bad document changes
// nothing.
func testPolicy(t *testing.T, u *up) {
	const host = "Host: policy.example.test"
	u.put(t, "policy.example.test/page", []byte("content"))
	document := func(rules string) string {
		path := filepath.Join(t.TempDir(), "default.yaml")
		if err := os.WriteFile(path, []byte("name: default\nhosts: [\"*\"]\nupstream: origin\n"+rules), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, ttl := range []int{100, 50} {
		u.control(t, "service", "put", document(fmt.Sprintf("rules:\n  - ttl: %ds\n", ttl))).succeeds(t)
		u.control(t, "service", "activate", "default", "--wait").succeeds(t)
		for _, edge := range edges(u) {
			get(t, edge+"/page", host)
			got := get(t, edge+"/page", host)
			_, left, _ := strings.Cut(got.cacheStatus(), "hit; ttl=")
			left, rule, _ := strings.Cut(left, "; detail=")
			if n, err := strconv.Atoi(left); rule != `"rules[0]"` || err != nil || n > ttl || n < ttl-40 {
				t.Errorf("%s has the rule of %d s: %s", edge, ttl, got.cacheStatus())
			}
		}
	}
	for rules, wants := range map[string][]string{
		"rules:\n  - ttl: 5s\n  - ttl: -5s\n": {":6:", "rules[1].ttl"}, "rulez: []\n": {":4:1", "rulez"},
	} {
		refused := u.control(t, "service", "put", document(rules))
		for _, want := range wants {
			if refused.code != 1 || !strings.Contains(refused.stderr, want) {
				t.Errorf("%q: status %d, want %q in %s", rules, refused.code, want, refused.stderr)
			}
		}
	}
	if out := u.control(t, "service", "history", "default").succeeds(t); !strings.Contains(out, "3") {
		t.Errorf("history:\n%s", out)
	}
}

func testReadersAndWriters(t *testing.T, u *up) {
	lasts := 5 * time.Second
	if long() {
		lasts = time.Minute
	}
	keepPromises(t, u, lasts)
}

// keepPromises writes and reads for a while: no promise may be broken.
func keepPromises(t *testing.T, u *up, lasts time.Duration) {
	t.Helper()
	report, err := promises.Run(t.Context(), promises.Config{
		Origin: u.url(originPort), Token: u.token(t), Edges: edges(u), Host: "promises.example.test",
		Objects: 8, Readers: 3, Pause: 20 * time.Millisecond, For: lasts,
	})
	if err != nil || len(report.Violations) > 0 || report.ReadErrors > 0 || report.WriteErrors > 0 || report.Hits == 0 {
		t.Errorf("%v\n%v", err, report)
	}
	t.Logf("reads and writes for %v:\n%v", lasts, report)
}

// testNATSAway stops NATS under writes and reads: nodes follow and renew over HTTP, nothing is missed, and all
// leases live on.
func testNATSAway(t *testing.T, u *up) {
	lasts := 6 * time.Second
	if long() {
		lasts = 30 * time.Second
	}
	pid, err := u.pid(t, "nats")
	if err != nil {
		t.Fatal(err)
	}
	send(t, pid, syscall.SIGSTOP)
	defer func() {
		send(t, pid, syscall.SIGCONT)
		patiently(t, recovery, func() error { return u.fleetIsLive(t) })
	}()
	keepPromises(t, u, lasts)
	patiently(t, recovery, func() error { return u.fleetIsLive(t) }) // while NATS is away
	u.control(t, "purge", "--tag", "x", "--wait").succeeds(t)
}

// fleetIsLive is nil when all six members hold leases.
func (u *up) fleetIsLive(t *testing.T) error {
	c, err := client.New(client.Config{URL: u.url(controlPort), Token: u.token(t)})
	if err != nil {
		return err
	}
	fleet, err := c.Fleet(t.Context())
	if err != nil {
		return err
	}
	live := 0
	for _, n := range fleet.Nodes {
		if n.Lease == client.LeaseLive {
			live++
		}
	}
	if live != 6 {
		return fmt.Errorf("%d of 6 nodes hold a lease: %+v", live, fleet.Nodes)
	}
	return nil
}

// testControlRestarts kills control and purges as soon as it answers again: the purge is complete only when each
// node has applied it.
func testControlRestarts(t *testing.T, u *up) {
	const host = "restarted.example.test"
	u.put(t, host+"/page", []byte("content"))
	for _, edge := range edges(u) {
		get(t, edge+"/page", "Host: "+host).is(t, http.StatusOK, "content")
	}
	pid, err := u.pid(t, "control-1")
	if err != nil {
		t.Fatal(err)
	}
	send(t, pid, syscall.SIGKILL)
	c, err := client.New(client.Config{URL: u.url(controlPort), Token: u.token(t)})
	if err != nil {
		t.Fatal(err)
	}
	var p client.Purge
	patiently(t, recovery, func() error {
		p, err = c.CreatePurge(t.Context(), client.PurgeRequest{Hosts: []string{host}, Wait: "10s"}, "after-the-restart")
		return err
	})
	if p.State != client.StateComplete || len(p.Nodes) != 6 || slices.ContainsFunc(p.Nodes, func(n client.Receipt) bool { return n.State != client.StateApplied }) {
		t.Errorf("%+v", p)
	}
	for _, edge := range edges(u) {
		if got := get(t, edge+"/page", "Host: "+host); strings.Contains(got.cacheStatus(), "edge") && got.says("hit; ttl") && len(got.header.Values("Cache-Status")) == 1 {
			t.Errorf("a hit at %s after the purge: %s", edge, got.cacheStatus())
		}
	}
}

// testStaticStability starts an edge while control, NATS and PostgreSQL do not answer: it serves by the policy
// that it last had.
func testStaticStability(t *testing.T, u *up) {
	const host = "Host: stable.example.test"
	u.put(t, "stable.example.test/page", []byte("content"))
	get(t, u.edge(1)+"/page", host).is(t, http.StatusOK, "content") // in L2 by now
	edge, err := u.pid(t, "edge-1")
	if err != nil {
		t.Fatal(err)
	}
	var stopped []int
	for _, part := range []string{"control-1", "nats", "postgres"} {
		pid, err := u.pid(t, part)
		if err != nil {
			t.Fatal(err)
		}
		send(t, pid, syscall.SIGSTOP)
		stopped = append(stopped, pid)
	}
	send(t, edge, syscall.SIGKILL)
	patiently(t, recovery, func() error {
		got, err := request{url: u.edge(1) + "/page", fields: []string{host}}.send(quick())
		if err == nil && (got.status != http.StatusOK || string(got.body) != "content") {
			err = fmt.Errorf("%d %s %s", got.status, got.body, got.cacheStatus())
		}
		return err
	})
	get(t, u.edge(1)+"/page", host).saysThat(t, "edge-1; hit", "disconnected")
	for _, pid := range stopped {
		send(t, pid, syscall.SIGCONT)
	}
	patiently(t, recovery, func() error { return u.fleetIsLive(t) })
}
