package endtoend

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tiercache/shared/testkit"
)

const (
	// readyAgain is how soon `up` on existing data must be ready: it takes about a second where nothing else runs,
	// and far longer where it waits for what was left behind.
	readyAgain = 20 * time.Second
	// orphansGone is how soon no process is left of a platform that has ended.
	orphansGone = 20 * time.Second
	// idleEdge is how much memory an edge with 64 MiB for stored responses may take, in bytes.
	idleEdge = 60 << 20
)

// testRestarts ends the platform in each way and starts it again on what it left.
func testRestarts(t *testing.T, u *up) {
	const content = "kept over restarts"
	u.put(t, "restart.example.test/kept.txt", []byte(content))
	kept := func(t *testing.T) {
		t.Helper()
		got := get(t, u.edge(1)+"/kept.txt", "Host: restart.example.test")
		got.is(t, http.StatusOK, content)
		got.saysThat(t, "regional-1; fwd=uri-miss", "edge-1; fwd=uri-miss")
	}

	all := descendants(t, u.process.Pid())
	began := time.Now()
	u.stop(t)
	t.Logf("Ctrl-C: all ended after %v", time.Since(began).Round(time.Millisecond))
	awaitGone(t, orphansGone, all)

	again := u.start(t)
	t.Logf("on existing data: ready in %v", again.Round(time.Millisecond))
	if again > readyAgain {
		t.Errorf("ready after %v, want %v", again, readyAgain)
	}
	kept(t)

	all = descendants(t, u.process.Pid())
	send(t, u.process.Pid(), syscall.SIGKILL)
	began = time.Now()
	awaitGone(t, orphansGone, all)
	t.Logf("kill -9: the last of %d processes was gone after %v", len(all), time.Since(began).Round(time.Millisecond))

	crashed := u.start(t)
	t.Logf("after kill -9: ready in %v", crashed.Round(time.Millisecond))
	kept(t)
	u.stop(t)
}

// TestEdgeAlone runs an edge as a process of its own, for one host of a site that it asks itself.
func TestEdgeAlone(t *testing.T) {
	wholeRun(t)
	site := newApp(t)
	port := testkit.FreePort(t)
	config := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "services:\n  - name: site\n    hosts: [www.example.test]\n    upstream: %s\n", site.url), 0o644); err != nil {
		t.Fatal(err)
	}
	edge := launch(t, environment(), program, "edge", "--config", config, "--listen", "127.0.0.1:"+strconv.Itoa(port), "--l1-size", "64MiB")
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	testkit.Eventually(t, readyTimeout, func() error { return lacksNothing(fmt.Sprintf("http://127.0.0.1:%d", port+adminDistance)) })
	rss := residentSize(t, edge.Pid())
	t.Logf("idle: %.1f MiB resident", float64(rss)/(1<<20))
	if rss >= idleEdge {
		t.Errorf("%d bytes are resident, want less than %d", rss, idleEdge)
	}

	get(t, url+"/plain", "Host: www.example.test").is(t, http.StatusOK, site.plain)
	unknown := get(t, url+"/plain", "Host: other.example.test")
	if unknown.status != http.StatusMisdirectedRequest || !strings.Contains(string(unknown.body), "no service") {
		t.Errorf("unknown host: %d %q, want 421", unknown.status, unknown.body)
	}
	get(t, url+"/plain", "Host: WWW.example.test:8080").saysThat(t, "edge-1; hit")
	edge.stop(t, syscall.SIGTERM)
}

// residentSize is VmRSS of the process, in bytes.
func residentSize(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`).FindSubmatch(status)
	if found == nil {
		t.Fatal("no VmRSS")
	}
	kib, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
