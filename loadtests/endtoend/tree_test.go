package endtoend

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tiercache/loadtests/crawl"
)

const treeHost = "tree.example.test"

// segment is how much of a body the stores keep in one value.
const segment = 256 << 10

// testTree imports a tree and fetches it through both edges. What Cache-Status says of all files together
// is exact: a single file that came by another way would show.
func testTree(t *testing.T, u *up) {
	dir, files, folders := sampleTree(t)
	objects := files + folders
	arguments := []string{"import", dir, "--host", treeHost, "--prefix", "/sub/tree", "--tag", "tree:{dir}"}
	first := u.object(t, arguments...).succeeds(t)
	if want := fmt.Sprintf("%d stored (", objects); !strings.HasPrefix(first, want) || !strings.Contains(first, " 0 unchanged, 0 failed,") {
		t.Errorf("import says %q, want %q", first, want)
	}
	second := u.object(t, arguments...).succeeds(t)
	if want := fmt.Sprintf("0 stored (0 B), %d unchanged, 0 failed", objects); !strings.HasPrefix(second, want) {
		t.Errorf("the second import says %q, want %q", second, want)
	}
	passes := []struct {
		edge    int
		outcome string
	}{
		{1, "regional-1 fwd=uri-miss, edge-1 fwd=uri-miss"},
		{1, "edge-1 hit"},
		{2, "regional-1 hit, edge-2 fwd=uri-miss"},
		{2, "edge-2 hit"},
	}
	for _, pass := range passes {
		crawlTree(t, crawl.Config{Base: u.edge(pass.edge), Host: treeHost, Dir: dir, Prefix: "/sub/tree", Connections: 32}, files, pass.outcome)
	}
}

// crawlTree wants all files as they are on disk, each with the same outcome.
func crawlTree(t *testing.T, cfg crawl.Config, files int, outcome string) {
	t.Helper()
	report, err := crawl.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if report.Wrong != 0 || report.Files != files || !maps.Equal(report.Outcomes, map[string]int{outcome: files}) {
		t.Errorf("want %d files with %q, got:\n%s", files, outcome, report)
		return
	}
	t.Logf("%s: %s", outcome, strings.TrimSpace(report.String()))
}

// sampleTree copies two trees of Go's own sources, and adds what is odd. It returns how many files there
// are, and how many folders with an index file.
func sampleTree(t *testing.T) (dir string, files, indexed int) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for _, tree := range []string{"encoding", "net/http"} {
		source := filepath.Join(strings.TrimSpace(string(root)), "src", tree)
		if err := os.CopyFS(filepath.Join(dir, tree), os.DirFS(source)); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range oddFiles() {
		path := filepath.Join(dir, "odd", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files++
			if entry.Name() == "index.html" {
				indexed++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, files, indexed
}

// oddFiles have names that a URL must encode, and sizes around the borders of segments.
func oddFiles() map[string][]byte {
	names := []string{
		"two words.txt", "per%cent", "%41%2F.txt", "question?mark=1&x", "hash#tag", "plus+plus", "semi;colon=1", "at@colon:bang!",
		"quote'\"`.txt", "back\\slash", "[brackets]{braces}", "pipe|caret^tilde~", ".hidden", "...", "-dash", "ümläut/日本語/файл.txt",
		"latin1-\xe4\xff", "star*", "dollar$(x)", "v1/objects/h/x", strings.Repeat("long", 60),
	}
	files := map[string][]byte{}
	for i, name := range names {
		files[name] = fmt.Appendf(nil, "content of %q", name)
		files[fmt.Sprintf("sizes/%d", i)] = pattern(i*i*i*7, uint64(i))
	}
	for i, size := range []int{0, 1, segment - 1, segment, segment + 1, 2 * segment, 4*segment + 12_345, 3 << 20} {
		files[fmt.Sprintf("sizes/border-%d.bin", size)] = pattern(size, uint64(100+i))
	}
	return files
}
