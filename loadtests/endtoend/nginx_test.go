package endtoend

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiercache/loadtests/crawl"
	"tiercache/shared/testkit"
)

// nginxSite serves a folder: text is compressed for who takes it, /soon/ may be kept but is asked about
// before each use, /old/ has moved.
const nginxSite = `
daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr warn;
events { worker_connections 256; }
http {
	access_log %[1]s/access.log;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	types { text/html html; text/plain txt; }
	default_type application/octet-stream;
	gzip on;
	gzip_vary on;
	gzip_proxied any;
	gzip_types text/plain;
	server {
		listen 127.0.0.1:%[2]d;
		absolute_redirect off;
		root %[1]s/root;
		expires 1h;
		location /soon/ { expires off; add_header Cache-Control no-cache; }
		location /old/ { return 301 /index.html; }
	}
}
`

// nginx runs Debian's nginx on a folder and returns the folder of its site, where it logs and its URL.
func nginx(t *testing.T) (root, accessLog, url string) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx" // not in a plain user's PATH
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("nginx is not installed: %v\nrun make test: it installs what tests need", err)
	}
	dir, port := t.TempDir(), testkit.FreePort(t)
	root = filepath.Join(dir, "root")
	if err := os.MkdirAll(filepath.Join(root, "soon"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxSite, dir, port), 0o644); err != nil {
		t.Fatal(err)
	}
	server := launch(t, environment(), path, "-p", dir, "-e", "stderr", "-c", config)
	url = fmt.Sprintf("http://127.0.0.1:%d", port)
	testkit.Eventually(t, readyTimeout, func() error {
		select {
		case <-server.Done():
			t.Fatalf("nginx ended: %v\n%s", server.Err(), server.printed)
		default:
		}
		response, err := quick().Get(url + "/")
		if err != nil {
			return err
		}
		return response.Body.Close()
	})
	return root, filepath.Join(dir, "access.log"), url
}

// TestNginxSite caches a site that nginx serves.
func TestNginxSite(t *testing.T) {
	wholeRun(t)
	root, accessLog, url := nginx(t)
	text := strings.Repeat("a line that compresses well\n", 500)
	files := 0
	for name, content := range map[string]string{
		"index.html": "<h1>home</h1>" + text, "empty.txt": "", "docs/one.txt": text, "docs/two words.txt": text + "2",
		"pictures/large.bin": string(pattern(3*segment+1, 7)), "pictures/small.bin": string(pattern(100, 8)), "soon/news.txt": "news 1\n",
	} {
		write(t, filepath.Join(root, name), content)
		files++
	}
	u := started(t, "--upstream", url)

	t.Run("Validators", func(t *testing.T) { testNginxValidators(t, u, root, accessLog) })
	if err := os.RemoveAll(filepath.Join(root, "soon")); err != nil {
		t.Fatal(err)
	}
	files--
	for _, pass := range []struct {
		edge    int
		outcome string
	}{
		{1, "regional-1 fwd=uri-miss, edge-1 fwd=uri-miss"},
		{1, "edge-1 hit"},
		{2, "regional-1 hit, edge-2 fwd=uri-miss"},
	} {
		crawlTree(t, crawl.Config{Base: u.edge(pass.edge), Host: "nginx.example.test", Dir: root}, files, pass.outcome)
	}
	t.Run("Encodings", func(t *testing.T) { testNginxEncodings(t, u, text) })
	t.Run("Redirect", func(t *testing.T) {
		for range 2 {
			if got := get(t, u.edge(1)+"/old/page"); got.status != http.StatusMovedPermanently || got.header.Get("Location") != "/index.html" {
				t.Errorf("%d to %q", got.status, got.header.Get("Location"))
			}
		}
		// nginx's one worker logs in the order of the requests: what follows in the log ends the wait.
		get(t, u.edge(1)+"/old/end")
		testkit.Eventually(t, replyTimeout, func() error {
			if requests(t, accessLog, "GET /old/end ") == 0 {
				return errors.New("nginx has not logged the last request")
			}
			return nil
		})
		if n := requests(t, accessLog, "GET /old/page "); n != 1 {
			t.Errorf("nginx was asked %d times, want once", n)
		}
	})
	t.Run("Missing", func(t *testing.T) {
		if got := get(t, u.edge(1)+"/missing"); got.status != http.StatusNotFound || !bytes.Contains(got.body, []byte("nginx")) {
			t.Errorf("%d %q", got.status, got.body)
		}
	})
}

// testNginxValidators revalidates by nginx's own entity tag, then changes the file.
func testNginxValidators(t *testing.T, u *up, root, accessLog string) {
	first := get(t, u.edge(1)+"/soon/news.txt")
	first.is(t, http.StatusOK, "news 1\n")
	get(t, u.edge(1)+"/soon/news.txt").is(t, http.StatusOK, "news 1\n")
	get(t, u.edge(1)+"/soon/news.txt", "If-None-Match: "+first.header.Get("ETag")).is(t, http.StatusNotModified, "")
	testkit.Eventually(t, replyTimeout, func() error {
		if n := requests(t, accessLog, "GET /soon/news.txt HTTP/1.1\" 304 "); n != 2 {
			return fmt.Errorf("nginx said 304 %d times, want 2", n)
		}
		return nil
	})
	write(t, filepath.Join(root, "soon/news.txt"), "news 2, longer\n")
	for edge := range 2 {
		get(t, u.edge(edge+1)+"/soon/news.txt").is(t, http.StatusOK, "news 2, longer\n")
	}
}

// testNginxEncodings asks for one file in two encodings: each client must get what it takes.
func testNginxEncodings(t *testing.T, u *up, text string) {
	for _, edge := range []int{1, 2, 1, 2} {
		get(t, u.edge(edge)+"/docs/one.txt").is(t, http.StatusOK, text)
		packed := get(t, u.edge(edge)+"/docs/one.txt", "Accept-Encoding: gzip")
		if packed.header.Get("Content-Encoding") != "gzip" || len(packed.body) >= len(text) {
			t.Fatalf("%d bytes, Content-Encoding %q", len(packed.body), packed.header.Get("Content-Encoding"))
		}
		reader, err := gzip.NewReader(bytes.NewReader(packed.body))
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := io.ReadAll(reader)
		if err != nil || string(unpacked) != text {
			t.Errorf("the compressed body holds %d other bytes (%v)", len(unpacked), err)
		}
	}
	get(t, u.edge(1)+"/docs/one.txt", "Accept-Encoding: gzip").saysThat(t, "edge-1; hit")
}

// requests counts the lines of nginx's log with that text. nginx writes them after it has answered: a client may be
// ahead of the log.
func requests(t *testing.T, accessLog, text string) int {
	t.Helper()
	content, err := os.ReadFile(accessLog)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Count(string(content), text)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	// Older than now: nginx's entity tags are made of time and size.
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, past, past); err != nil {
		t.Fatal(err)
	}
}
