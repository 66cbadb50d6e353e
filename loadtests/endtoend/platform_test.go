package endtoend

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/shared/platform"
	"tiercache/shared/testkit"
)

// Where `up` listens, before its offset; an admin listener is 10,000 higher.
const (
	natsPort      = 7060
	controlPort   = 7070
	originPort    = 7080
	regionalPort  = 7090
	redisPort     = 7379
	postgresPort  = 7432
	edgePort      = 8080
	adminDistance = 10_000
	// lastPort is below the ports that the kernel takes for outgoing connections.
	lastPort = 32_700
)

// allReady is in what `up` prints last when everything is ready.
const allReady = "Ctrl-C stops everything"

// up is one platform as a user has it: a folder, a range of ports and, between start and stop, a process.
type up struct {
	dir     string
	offset  int
	flags   []string
	environ []string
	// program is what runs it, in place of the program under test; empty: that.
	program string
	process *process
}

// patientL2 has nodes wait for Redis for longer than a busy machine makes them: by default they pass over one that is
// slow, and Cache-Status says other things then.
const patientL2 = "TIERCACHE_L2_TIMEOUT=10s"

// newUp takes a new folder and free ports; it starts nothing.
func newUp(t *testing.T, flags ...string) *up {
	t.Helper()
	u := &up{dir: filepath.Join(openFolder(t), "data"), offset: freeOffset(t), flags: flags, environ: []string{patientL2}}
	t.Cleanup(func() {
		if t.Failed() {
			u.showLogs(t)
		}
	})
	return u
}

// started is newUp, started.
func started(t *testing.T, flags ...string) *up {
	t.Helper()
	u := newUp(t, flags...)
	u.start(t)
	return u
}

// start runs `tiercache up` until all is ready and returns how long that took.
func (u *up) start(t *testing.T) time.Duration {
	t.Helper()
	u.launch(t)
	u.process.awaitLine(t, allReady)
	return time.Since(u.process.began)
}

// launch starts `tiercache up` and does not wait.
func (u *up) launch(t *testing.T) {
	t.Helper()
	args := append([]string{"up", "--data-dir", u.dir, "--port-offset", strconv.Itoa(u.offset)}, u.flags...)
	u.process = launch(t, environment(u.environ...), cmp.Or(u.program, program), args...)
}

// stop ends the platform as Ctrl-C does.
func (u *up) stop(t *testing.T) {
	t.Helper()
	u.process.stop(t, syscall.SIGINT)
}

func (u *up) addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port+u.offset)) }
func (u *up) url(port int) string  { return "http://" + u.addr(port) }

// edge is the URL of the n-th edge, counted from 1.
func (u *up) edge(n int) string { return u.url(edgePort + n - 1) }

// object runs `tiercache object` with args on this platform's origin.
func (u *up) object(t *testing.T, args ...string) ended {
	t.Helper()
	return tiercache(t, u.objectArgs(args)...)
}

func (u *up) objectArgs(args []string) []string {
	return append(append([]string{"object"}, args...), "--data-dir", u.dir, "--origin", u.url(originPort))
}

// put stores an object that caches keep for an hour.
func (u *up) put(t *testing.T, object string, content []byte) {
	t.Helper()
	args := u.objectArgs([]string{"put", object, "-", "--cache-control", "public, max-age=3600"})
	tiercacheReading(t, strings.NewReader(string(content)), args...).succeeds(t)
}

// token is the platform's admin token.
func (u *up) token(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(u.dir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

// pid is the process of a part: a node's name, or postgres, redis, nats. It is an error while there is none.
func (u *up) pid(t *testing.T, part string) (int, error) {
	t.Helper()
	for _, k := range descendants(t, u.process.Pid()) {
		if k.parent == u.process.Pid() && plays(commandLine(k.pid), part) {
			return k.pid, nil
		}
	}
	return 0, fmt.Errorf("no process plays %s", part)
}

// plays reports whether a child with this command line is the part.
func plays(line []string, part string) bool {
	switch {
	case len(line) == 0:
		return false
	case part == "postgres" || part == "redis-server":
		return strings.HasPrefix(filepath.Base(line[0]), part)
	case part == "nats":
		return len(line) > 1 && line[1] == "nats"
	}
	return len(line) > 3 && filepath.Base(line[3]) == part+".yaml"
}

// health is the part of a node's /readyz that counts here.
type health struct {
	Ready      bool     `json:"ready"`
	WaitingFor []string `json:"waiting_for"`
	Components map[string]struct {
		OK     bool   `json:"ok"`
		Detail string `json:"detail"`
	} `json:"components"`
}

// wholly is nil when every node is ready and lacks nothing, not even what it can do without, and control
// has heard all of them.
func (u *up) wholly(t *testing.T) error {
	t.Helper()
	for _, port := range []int{controlPort, originPort, regionalPort, edgePort, edgePort + 1} {
		if err := lacksNothing(u.url(port + adminDistance)); err != nil {
			return err
		}
	}
	control, err := client.New(client.Config{URL: u.url(controlPort), Token: u.token(t)})
	if err != nil {
		return err
	}
	fleet, err := control.Fleet(t.Context())
	if err == nil && (!fleet.Ready || len(fleet.Nodes) != 5) {
		err = fmt.Errorf("control does not have five ready nodes: %+v", fleet.Nodes)
	}
	return err
}

// lacksNothing asks the node whose admin listener is at url.
func lacksNothing(url string) error {
	response, err := quick().Get(url + "/readyz")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var h health
	if err := json.NewDecoder(response.Body).Decode(&h); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || !h.Ready {
		return fmt.Errorf("%s: %s, it waits for %v", url, response.Status, h.WaitingFor)
	}
	for name, component := range h.Components {
		if !component.OK {
			return fmt.Errorf("%s: %s: %s", url, name, component.Detail)
		}
	}
	return nil
}

// showLogs prints the end of each part's log.
func (u *up) showLogs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(u.dir, "logs", "*.log"))
	if err != nil {
		t.Error(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Logf("%s:\n%s", filepath.Base(file), lastLines(string(content), 25))
	}
}

// openFolder makes a folder that the servers' own account may enter.
func openFolder(t *testing.T) string {
	t.Helper()
	for _, parent := range []string{os.TempDir(), "/var/tmp"} {
		dir, err := os.MkdirTemp(parent, "tiercache-endtoend-")
		if err != nil {
			t.Fatal(err)
		}
		// Again where needed: the server of a killed platform may still write as it goes.
		t.Cleanup(func() { testkit.Eventually(t, recovery, func() error { return os.RemoveAll(dir) }) })
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
		if ok, err := platform.ServersMayEnter(dir); err != nil || ok {
			if err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	t.Fatal("servers may enter neither the folder for temporary files nor /var/tmp: set TMPDIR to one that everybody may enter")
	return ""
}

// freeOffset shifts all ports to where none is taken.
func freeOffset(t *testing.T) int {
	t.Helper()
	for range 100 {
		offset := testkit.FreePort(t) - natsPort
		if offset+edgePort+3+adminDistance < lastPort && allFree(offset) {
			return offset
		}
	}
	t.Fatal("no free range of ports")
	return 0
}

func allFree(offset int) bool {
	ports := []int{natsPort, redisPort, redisPort + 1, postgresPort}
	for _, node := range []int{controlPort, originPort, regionalPort, regionalPort + 1, edgePort, edgePort + 1, edgePort + 2, edgePort + 3} {
		ports = append(ports, node, node+adminDistance)
	}
	for _, port := range ports {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+offset))
		if err != nil || listener.Close() != nil {
			return false
		}
	}
	return true
}
