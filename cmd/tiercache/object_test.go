package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiercache/origin"
	"tiercache/origin/api"
	"tiercache/shared/node"
	"tiercache/shared/testkit"
	"tiercache/shared/token"
)

// liveOrigin runs `tiercache origin`'s own wiring until the test ends.
type liveOrigin struct {
	t        *testing.T
	url, dir string // the origin's URL and the data directory with its token
}

func startOrigin(t *testing.T) *liveOrigin {
	t.Helper()
	return startOriginWith(t, func(*origin.Config) {})
}

func startOriginWith(t *testing.T, change func(*origin.Config)) *liveOrigin {
	t.Helper()
	o := &liveOrigin{t: t, dir: t.TempDir()}
	t.Setenv("TIERCACHE_TOKEN", "")
	cfg := origin.DefaultConfig()
	port := testkit.FreePort(t)
	cfg.Listen = fmt.Sprintf("127.0.0.1:%d", port)
	cfg.LogLevel = "error"
	cfg.PostgresURL = testkit.Postgres(t)
	cfg.AdminTokenFile = filepath.Join(o.dir, token.FileName)
	o.url = "http://" + cfg.Listen
	if err := os.WriteFile(cfg.AdminTokenFile, []byte(token.Generate()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	change(&cfg)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	n, err := node.New(ctx, origin.Tier, cfg.Config)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := originParts(n, cfg)
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- n.Run(ctx, parts...) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("origin: %v", err)
		}
	})
	testkit.Eventually(t, 20*time.Second, func() error {
		resp, err := http.Get("http://" + cfg.AdminListen + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz: %d", resp.StatusCode)
		}
		return nil
	})
	return o
}

// run is `tiercache object ARGS`.
func (o *liveOrigin) run(stdin io.Reader, args ...string) (stdout, stderr string, err error) {
	cmd := newRootCommand()
	var out, errOut bytes.Buffer
	cmd.SetIn(stdin)
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	cmd.SetArgs(append([]string{"object", "--origin", o.url, "--data-dir", o.dir}, args...))
	err = cmd.ExecuteContext(context.Background())
	return out.String(), errOut.String(), err
}

func (o *liveOrigin) must(args ...string) string {
	o.t.Helper()
	out, errOut, err := o.run(strings.NewReader("from standard input"), args...)
	if err != nil {
		o.t.Fatalf("object %q: %v\n%s", args, err, errOut)
	}
	return out
}

// fails runs the command and checks what its error says.
func (o *liveOrigin) fails(says string, args ...string) {
	o.t.Helper()
	if _, _, err := o.run(nil, args...); err == nil || !strings.Contains(err.Error(), says) {
		o.t.Errorf("object %q: %v, want an error with %q", args, err, says)
	}
}

func TestObject_PutGetListRemove(t *testing.T) {
	o := startOrigin(t)
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, bytes.Repeat([]byte("<p>page</p>"), 200_000), 0o644); err != nil {
		t.Fatal(err)
	}
	out := o.must("put", "h.example/a page é.html", file, "--cache-control", "max-age=9", "--tag", "t1", "--tag", "t2")
	if !strings.Contains(out, "h.example/a%20page%20%C3%A9.html 2200000 bytes") {
		t.Errorf("put printed %q", out)
	}
	o.must("put", "h.example/stdin", "-", "--content-type", "text/x-test")
	copied := filepath.Join(t.TempDir(), "copy")
	o.must("get", "h.example/a%20page é.html", "-O", copied)
	want, _ := os.ReadFile(file)
	got, err := os.ReadFile(copied)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy has %d bytes, %v", len(got), err)
	}
	if out := o.must("get", "h.example/stdin"); out != "from standard input" {
		t.Errorf("get printed %q", out)
	}
	var doc api.Object
	if err := json.Unmarshal([]byte(o.must("ls", "h.example/a", "-o", "json")), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Fields["Surrogate-Key"] != "t1 t2" || doc.Fields["Content-Type"] != "text/html" || doc.Fields["Cache-Control"] != "max-age=9" {
		t.Errorf("document %+v", doc)
	}
	if out := o.must("ls", "h.example"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "/stdin") {
		t.Errorf("ls printed %q", out)
	}
	o.fails("412", "put", "h.example/stdin", "-", "--if-match", `"other"`)
	o.must("put", "h.example/stdin", file)
	if out := o.must("ls", "h.example/stdin", "--versions"); strings.Count(out, "\n") != 2 {
		t.Errorf("ls --versions printed %q", out)
	}
	o.must("rm", "h.example/stdin")
	o.fails("404", "get", "h.example/stdin")
	o.fails("404", "rm", "h.example/stdin")
}

func TestObject_Errors(t *testing.T) {
	o := startOrigin(t)
	o.fails("HOST/PATH", "put", "h.example", "-")
	o.fails("scheme", "get", "http://h.example/x")
	o.fails("no such file", "put", "h.example/x", "/nowhere/file")
	o.fails("is a directory", "put", "h.example/x", o.dir)
	o.fails("without a port", "put", "h.example:80/x", "-")
	o.fails("401", "ls", "h.example", "--token", "tct_wrong")
	o.fails("host", "import", o.dir)
	o.fails("--jobs", "import", o.dir, "--host", "h", "--jobs", "0")
	o.fails("slash", "import", o.dir, "--host", "h", "--prefix", "p")
	o.fails("{x", "import", o.dir, "--host", "h", "--tag", "{x}")
	o.fails("no token", "ls", "h", "--data-dir", t.TempDir())
	o.fails("not of the form", "ls", "h", "--origin", "localhost")
	o.fails("connection refused", "ls", "h", "--origin", "http://127.0.0.1:1")
}

func TestObject_ImportThatCannotBeginSaysWhyAndNothingElse(t *testing.T) {
	o := startOrigin(t)
	for says, args := range map[string][]string{
		"the origin is unreachable: is it running?": {o.dir, "--origin", "http://127.0.0.1:1"},
		"give a token of this platform":             {o.dir, "--token", "tct_wrong"},
		"is this an origin?":                        {o.dir, "--origin", notAnOrigin(t)},
		"name the folder":                           {"/nowhere"},
		"not of the form":                           {o.dir, "--origin", "127.0.0.1:7080"},
	} {
		out, errOut, err := o.run(nil, append([]string{"import", "--host", "h"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), says) || out+errOut != "" {
			t.Errorf("%q: %v, printed %q%q", args, err, out, errOut)
		}
	}
}

// notAnOrigin is the URL of a server that knows nothing of objects.
func notAnOrigin(t *testing.T) string {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return s.URL
}

// A tag of several words is one tag, and the one that a purge of these words names.
func TestObject_ATagWithASpaceIsOneTag(t *testing.T) {
	o := startOrigin(t)
	o.must("put", "h.example/x", "-", "--tag", "Summer Sale", "--tag", "a,b%20c")
	if out := o.must("ls", "h.example", "-o", "json"); !strings.Contains(out, `"Surrogate-Key":"Summer%20Sale a%2Cb%20c"`) {
		t.Errorf("printed %q", out)
	}
	for _, args := range [][]string{{"put", "h.example/x", "-", "--tag", ""}, {"import", o.dir, "--host", "h", "--tag", ""}} {
		if _, _, err := o.run(strings.NewReader("x"), args...); exitCode(err) != exitUsage || err == nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// Part of the Go tree, with its odd names and thousands of files, comes back byte for byte.
func TestObject_ImportOfARealTree(t *testing.T) {
	o := startOrigin(t)
	dir := filepath.Join(goRoot(t), "src", "cmd", "go")
	odd := oddTree(t)
	out := o.must("import", odd, "--host", "*", "--tag", "dir:{dir}")
	if !strings.Contains(out, "7 stored") {
		t.Errorf("import printed %q", out)
	}
	out = o.must("import", dir, "--host", "go.example", "--prefix", "/src", "--jobs", "8")
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return o.compare("go.example", "/src/"+api.EscapePath(rel), path)
	})
	if err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(out, fmt.Sprintf("%d stored", files)) || !strings.Contains(out, "0 failed") || files < 1000 {
		t.Errorf("import of %d files printed %q", files, out)
	}
	if out := o.must("import", dir, "--host", "go.example", "--prefix", "/src"); !strings.HasPrefix(out, "0 stored") || !strings.Contains(out, fmt.Sprintf("%d unchanged", files)) {
		t.Errorf("again: %q", out)
	}
	for path, file := range map[string]string{"/": "index.html", "/sub/": "sub/index.html", "/a%20%25%23%3F%22.txt": `a %#?".txt`, "/n%0Al": "n\nl", "/sub/%FF": "sub/\xff"} {
		if err := o.compare("any.example", path, filepath.Join(odd, file)); err != nil {
			t.Error(err)
		}
	}
}

func oddTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index.html", "sub/index.html", `a %#?".txt`, "n\nl", "sub/\xff"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// goRoot is where the toolchain's source is.
func goRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// compare reads the public URL, as a crawler does, and compares it with the file.
func (o *liveOrigin) compare(host, path, file string) error {
	req, err := http.NewRequest(http.MethodGet, o.url+path, nil)
	if err != nil {
		return err
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	want, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %d, %d bytes instead of %d", path, resp.StatusCode, len(got), len(want))
	}
	return nil
}

func TestOrigin_BadSettingsAreOneClearLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "origin.yaml")
	if err := os.WriteFile(file, []byte("node: o\nlisten: 127.0.0.1:0\nkeep_version: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, says string }{
		{"--config " + file, "origin.yaml:3:1"},
		{"--postgres-url=", "postgres_url"},
		{"--max-object-size 5furlongs", "max-object-size"},
		{"--nonsense", "nonsense"},
		{"--postgres-url postgres://127.0.0.1:1/x --admin-token-file /nowhere/token --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0", "/nowhere/token"},
	} {
		cmd := newRootCommand()
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		cmd.SetArgs(append([]string{"origin"}, strings.Fields(c.args)...))
		err := cmd.ExecuteContext(context.Background())
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", c.args, err, c.says)
		}
	}
}
