package crawl

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRun_NoticesWhatDiffers(t *testing.T) {
	dir := tree(t, map[string]string{"same": "abc", "a b/%#?ü.txt": "odd", "changed": "abc", "short": "abcdef", "long": "abc", "gone": "x"})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Cache-Status", "regional-1; hit; ttl=5")
		w.Header().Add("Cache-Status", `edge-1; fwd=uri-miss; stored`)
		switch r.URL.Path {
		case "/p/same":
			fmt.Fprint(w, "abc")
		case "/p/a b/%#?ü.txt":
			fmt.Fprint(w, "odd")
		case "/p/changed":
			fmt.Fprint(w, "abd")
		case "/p/short":
			fmt.Fprint(w, "abc")
		case "/p/long":
			fmt.Fprint(w, "abcd")
		default:
			w.WriteHeader(404)
		}
	}))
	defer server.Close()
	report, err := Run(t.Context(), Config{Base: server.URL, Host: "h", Dir: dir, Prefix: "/p/"})
	if err != nil {
		t.Fatal(err)
	}
	if report.Files != 6 || report.Wrong != 4 || report.Outcomes["regional-1 hit, edge-1 fwd=uri-miss"] != 6 {
		t.Fatalf("%s", report)
	}
	if text := report.String(); !strings.Contains(text, "/p/changed: body differs") {
		t.Errorf("%s", text)
	}
}
