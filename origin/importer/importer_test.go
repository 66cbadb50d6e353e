package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"tiercache/origin/api"
	"tiercache/origin/client"
	"tiercache/shared/invalidation"
)

// fakeOrigin keeps what is put, by path as it was sent. The importer's own tests need no more; the real
// origin is met in the command's tests.
type fakeOrigin struct {
	*httptest.Server
	mu      sync.Mutex
	bodies  map[string]string
	objects map[string]api.Object
	puts    int
	answer  func(path string, put int) int // a status instead of success; 0: none
}

func newFakeOrigin(t *testing.T) *fakeOrigin {
	f := &fakeOrigin{bodies: map[string]string{}, objects: map[string]api.Object{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeOrigin) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == http.MethodGet {
		var l api.Listing
		for _, o := range f.objects {
			l.Objects = append(l.Objects, o)
		}
		_ = json.NewEncoder(w).Encode(l)
		return
	}
	path, ok := strings.CutPrefix(r.RequestURI, api.Prefix+"h.example")
	if err != nil || !ok {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.puts++
	if f.answer != nil {
		if status := f.answer(path, f.puts); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	f.bodies[path] = string(body)
	f.objects[path] = api.Object{Path: path, SHA256: digestOf(r), Fields: map[string]string{
		"Content-Type": r.Header.Get("Content-Type"), "Cache-Control": r.Header.Get("Cache-Control"), "Surrogate-Key": r.Header.Get("Surrogate-Key")}}
	_ = json.NewEncoder(w).Encode(f.objects[path])
}

// digestOf is the digest that the request states, in hexadecimal.
func digestOf(r *http.Request) string {
	var sum []byte
	encoded := strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Repr-Digest"), "sha-256=:"), ":")
	if err := json.Unmarshal([]byte(`"`+encoded+`"`), &sum); err != nil {
		return "none"
	}
	return fmt.Sprintf("%x", sum)
}

func (f *fakeOrigin) paths() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var paths []string
	for p := range f.bodies {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func run(t *testing.T, f *fakeOrigin, opts Options) (Report, error) {
	t.Helper()
	c, err := client.New(f.URL, "tct_x", 4)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	opts.Host = "h.example"
	return Run(context.Background(), c, opts)
}

func TestRun_PathsTypesAndTags(t *testing.T) {
	dir := tree(t, map[string]string{
		"index.html": "<p>", "a b/c#d?.txt": "1", "100%.md": "2", "é/ü": "text", "x/index.html": "3", "bin": "\x00\x01", "n\nl": "4", "..x": "5",
		"big.bin": strings.Repeat("z", 3<<20),
	})
	f := newFakeOrigin(t)
	r, err := run(t, f, Options{Dir: dir, Prefix: "/p/", CacheControl: "public, max-age=3600", Tags: []string{"tree:{dir}", "{name}.{ext}", "{path}"}, Index: "index.html", Jobs: 3})
	if err != nil || r.Stored != 11 || r.Failed != 0 || r.Total != 11 {
		t.Fatalf("report %+v, %v", r, err)
	}
	want := []string{"/p/", "/p/..x", "/p/100%25.md", "/p/a%20b/c%23d%3F.txt", "/p/big.bin", "/p/bin", "/p/index.html", "/p/n%0Al", "/p/x/", "/p/x/index.html", "/p/%C3%A9/%C3%BC"}
	slices.Sort(want)
	if got := f.paths(); !slices.Equal(got, want) {
		t.Errorf("paths %q\nwant  %q", got, want)
	}
	if f.bodies["/p/x/"] != "3" || len(f.bodies["/p/big.bin"]) != 3<<20 {
		t.Error("bodies differ")
	}
	o := f.objects["/p/a%20b/c%23d%3F.txt"]
	if o.Fields["Surrogate-Key"] != "tree:a%20b c#d?.txt.txt a%20b/c#d?.txt" || o.Fields["Cache-Control"] != "public, max-age=3600" {
		t.Errorf("fields %v", o.Fields)
	}
	for path, want := range map[string]string{"/p/": "text/html", "/p/bin": "application/octet-stream", "/p/%C3%A9/%C3%BC": "text/plain; charset=utf-8", "/p/100%25.md": "text/markdown; charset=utf-8"} {
		if got := f.objects[path].Fields["Content-Type"]; got != want {
			t.Errorf("%s: type %q, want %q", path, got, want)
		}
	}
}

// A tag is one, whatever is in it, and finds its object by the same words as a purge.
func TestRun_TagsAreThoseOfAPurge(t *testing.T) {
	dir := tree(t, map[string]string{"Summer Sale, 50%/a [1].txt": "1", "none": "2", strings.Repeat("é", 120) + "/" + strings.Repeat("é", 120) + "/x": "3"})
	f := newFakeOrigin(t)
	r, err := run(t, f, Options{Dir: dir, Tags: []string{"Winter Sale", "{dir}", "{name}", "{ext}"}, Jobs: 1})
	if err != nil || r.Stored != 2 || r.Failed != 1 || !errors.Is(r.Failures[0].Err, invalidation.ErrTag) {
		t.Fatalf("%+v, %v", r, err)
	}
	for path, words := range map[string][]string{
		"/Summer%20Sale,%2050%25/a%20%5B1%5D.txt": {"Winter Sale", "Summer Sale, 50%", "a [1].txt", "txt"},
		"/none": {"Winter Sale", ".", "none"},
	} {
		tags, err := invalidation.ParseTags(slices.Values([]string{f.objects[path].Fields["Surrogate-Key"]}), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range words {
			if words[i], err = invalidation.CanonicalTag(w); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(tags, words) {
			t.Errorf("%s has the tags %q, want %q", path, tags, words)
		}
	}
}

func TestRun_TellsNothingOfAnImportThatDidNotBegin(t *testing.T) {
	f := newFakeOrigin(t)
	f.Close()
	dir := tree(t, map[string]string{"a": "1"})
	for _, dir := range []string{dir, dir + "/nowhere", dir + "/a"} {
		if r, err := run(t, f, Options{Dir: dir, Jobs: 1}); err == nil || !reflect.DeepEqual(r, Report{}) {
			t.Errorf("%s: %+v, %v", dir, r, err)
		}
	}
}

func TestRun_ResumesAndBringsChangesOver(t *testing.T) {
	dir := tree(t, map[string]string{"a": "1", "b": "2", "c": "3"})
	f := newFakeOrigin(t)
	opts := Options{Dir: dir, Jobs: 2}
	if r, err := run(t, f, opts); err != nil || r.Stored != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, err := run(t, f, opts); err != nil || r.Stored != 0 || r.Unchanged != 3 {
		t.Errorf("again: %+v, %v", r, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b"), []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err := run(t, f, opts); err != nil || r.Stored != 1 || f.bodies["/b"] != "two" {
		t.Errorf("a changed file: %+v, %v", r, err)
	}
	opts.CacheControl = "no-cache"
	if r, err := run(t, f, opts); err != nil || r.Stored != 3 {
		t.Errorf("another Cache-Control: %+v, %v", r, err)
	}
}

func TestRun_StaysInTheTree(t *testing.T) {
	outside := tree(t, map[string]string{"secret": "s"})
	dir := tree(t, map[string]string{"in/file": "1"})
	for link, target := range map[string]string{
		"out": outside + "/secret", "up": "../" + filepath.Base(outside) + "/secret", "outdir": outside, "dir": "in",
		"nowhere": "gone", "self": "self", "good": "in/file", "in/back": "../in/file",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFakeOrigin(t)
	r, err := run(t, f, Options{Dir: dir, Jobs: 2})
	if err != nil || r.Links != 6 || r.Special != 1 {
		t.Errorf("report %+v, %v", r, err)
	}
	if got := f.paths(); !slices.Equal(got, []string{"/good", "/in/back", "/in/file"}) {
		t.Errorf("paths %q", got)
	}
}

func TestRun_FailuresOfOneFileDoNotStopTheRest(t *testing.T) {
	dir := tree(t, map[string]string{"a": "1", "b": "2", "big": "3", "c": "4"})
	f := newFakeOrigin(t)
	f.answer = func(path string, _ int) int {
		if path == "/big" {
			return http.StatusRequestEntityTooLarge
		}
		return 0
	}
	removed := false
	r, err := run(t, f, Options{Dir: dir, Jobs: 1, Progress: func(r Report) {
		if !removed {
			removed = true
			if err := os.Remove(filepath.Join(dir, "c")); err != nil {
				t.Error(err)
			}
		}
	}})
	if err != nil || r.Failed != 2 || r.Stored != 2 || r.Done() != 4 {
		t.Errorf("report %+v, %v", r, err)
	}
	if len(r.Failures) != 2 || r.Failures[0].File != "big" || !errors.Is(r.Failures[1].Err, os.ErrNotExist) {
		t.Errorf("failures %v", r.Failures)
	}
}

func TestRun_WaitsForAnOriginThatComesBack(t *testing.T) {
	dir := tree(t, map[string]string{"a": strings.Repeat("1", 100_000)})
	f := newFakeOrigin(t)
	f.answer = func(_ string, put int) int {
		if put < 3 {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	if r, err := run(t, f, Options{Dir: dir, Jobs: 1}); err != nil || r.Stored != 1 || f.puts != 3 || len(f.bodies["/a"]) != 100_000 {
		t.Errorf("%+v, %v after %d puts", r, err, f.puts)
	}
}

func TestRun_AWrongTokenEndsIt(t *testing.T) {
	dir := tree(t, map[string]string{"a": "1", "b": "2", "c": "3"})
	f := newFakeOrigin(t)
	f.answer = func(string, int) int { return http.StatusUnauthorized }
	if _, err := run(t, f, Options{Dir: dir, Jobs: 1}); err == nil || f.puts != 1 {
		t.Errorf("%v after %d puts", err, f.puts)
	}
}

func TestRun_AFileThatShrinksIsAFailureOfThatFile(t *testing.T) {
	body := &exactly{file: bytes.NewReader(make([]byte, 10)), left: 20}
	if _, err := io.ReadAll(body); !errors.Is(err, errLocal) || !errors.Is(body.err, errLocal) {
		t.Errorf("got %v", err)
	}
	longer := &exactly{file: bytes.NewReader(make([]byte, 10)), left: 5}
	if b, err := io.ReadAll(longer); err != nil || len(b) != 5 {
		t.Errorf("a longer file: %d bytes, %v", len(b), err)
	}
}

func TestCheckTemplate(t *testing.T) {
	for _, good := range []string{"x", "tree:{dir}", "{path}{ext}", "a}b", "Summer Sale"} {
		if err := CheckTemplate(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "{file}", "{dir", "{}"} {
		if err := CheckTemplate(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
