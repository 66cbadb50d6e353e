package framing

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	// What the program under test is built from, so that go test does not take an earlier result for its own.
	_ "tiercache/edge"
	_ "tiercache/regional"
	"tiercache/shared/platform"
	"tiercache/shared/testkit"
)

const readyTimeout = 60 * time.Second

// update makes the tests write testdata/verdicts.tsv instead of comparing with it.
var update = flag.Bool("update", false, "write testdata/verdicts.tsv anew")

// program is the path of the program under test; empty with -short, which runs no test of this package.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) (status int) {
	if testing.Short() {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "tiercache-framing-")
	if err == nil {
		program = filepath.Join(dir, "tiercache")
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "tiercache/cmd/tiercache")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the program:", err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}()
	return m.Run()
}

// output is what a process printed.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// launch runs path until the test ends, and returns once ready does not complain any more.
func launch(t *testing.T, ready func() error, path string, args ...string) {
	t.Helper()
	var environ []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TIERCACHE_") {
			environ = append(environ, entry)
		}
	}
	out := &output{}
	p, err := platform.StartProcess(platform.Program{Name: filepath.Base(path), Path: path, Args: args, Env: environ}, out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s %s printed:\n%.4000s", filepath.Base(path), strings.Join(args, " "), out)
		}
	})
	testkit.Eventually(t, readyTimeout, func() error {
		select {
		case <-p.Done():
			t.Fatalf("%s ended: %v\n%s", path, p.Err(), out)
		default:
		}
		return ready()
	})
}

func readyAt(url string) func() error {
	return func() error {
		response, err := http.Get(url)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	}
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// site is a service document for every host.
func site(upstream string) string {
	return "services:\n  - name: site\n    hosts: ['*']\n    upstream: " + upstream + "\n    preserve_host: true\n    timeout: 20s\n"
}

// node runs a node of the program and returns its address.
func node(t *testing.T, tier, config string, flags ...string) string {
	t.Helper()
	port := testkit.FreePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	args := append([]string{tier, "--config", file(t, tier+".yaml", config), "--listen", addr}, flags...)
	launch(t, readyAt(fmt.Sprintf("http://127.0.0.1:%d/readyz", port+10_000)), program, args...)
	return addr
}

// edgeAlone runs an edge in front of a site.
func edgeAlone(t *testing.T, upstream string) (addr string) {
	t.Helper()
	return node(t, "edge", site(upstream), "--l1-size", "64MiB")
}

// tierToken is the secret by which tiers believe each other.
const tierToken = "the-secret-of-the-tiers"

// edgeAndRegional runs an edge in front of a regional node in front of a site.
func edgeAndRegional(t *testing.T, upstream string) (edge, regional string) {
	t.Helper()
	token := file(t, "token", tierToken+"\n")
	regional = node(t, "regional", site(upstream), "--redis-addrs", testkit.Redis(t).Addr, "--tier-token-file", token)
	edge = node(t, "edge", site(upstream), "--l1-size", "64MiB", "--regionals", "http://"+regional, "--tier-token-file", token)
	return edge, regional
}

// nginxProxy passes on what it accepts, with the target as it was sent.
const nginxProxy = `
daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	client_header_buffer_size 16k;
	large_client_header_buffers 4 32k;
	client_max_body_size 10m;
	proxy_buffer_size 128k;
	proxy_buffers 4 128k;
	server {
		listen 127.0.0.1:%[2]d;
		server_name none;
		merge_slashes off;
		proxy_ignore_client_abort on;
		location / {
			proxy_pass %[3]s;
			proxy_http_version 1.1;
			proxy_set_header Host $host;
			proxy_set_header Connection "";
			proxy_set_header Expect "";
			proxy_set_header Keep-Alive "";
			proxy_set_header Proxy-Connection "";
			proxy_set_header TE "";
			proxy_set_header Trailer "";
			proxy_set_header Upgrade "";
			proxy_set_header X-Target $request_uri;
		}
	}
}
`

// nginxPath is where Debian's nginx is.
func nginxPath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx" // not in a plain user's PATH
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("nginx is not installed: %v\nrun make test: it installs what tests need", err)
	}
	return path
}

func nginx(t *testing.T, upstream string) (addr string) {
	t.Helper()
	dir, port := t.TempDir(), testkit.FreePort(t)
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	config := file(t, "nginx.conf", fmt.Sprintf(nginxProxy, dir, port, upstream))
	launch(t, func() error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	}, nginxPath(t), "-p", dir, "-e", "stderr", "-c", config)
	return addr
}

// netHTTP runs Go's server.
func netHTTP(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(sayReading), ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(l) }() // until it is closed
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

func sayReading(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		w.Header().Set("Connection", "close")
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	got := newReading(r.Method, r.RequestURI, r.Host, body)
	got.Short = err != nil
	text := got.encode()
	w.Header().Set(readingField, text)
	if _, err := io.WriteString(w, readingMark+text+"\n"); err != nil && r.Method != http.MethodHead {
		panic(http.ErrAbortHandler) // the client is gone
	}
}
