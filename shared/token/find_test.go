package token

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind_Order(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(Variable, "")
	if _, err := Find("", dir); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "--token") {
		t.Errorf("nothing: got %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Find("", dir); got != "from-file" || err != nil {
		t.Errorf("file: got %q, %v", got, err)
	}
	t.Setenv(Variable, "from-variable")
	if got, _ := Find("", dir); got != "from-variable" {
		t.Errorf("variable: got %q", got)
	}
	if got, _ := Find("explicit", dir); got != "explicit" {
		t.Errorf("explicit: got %q", got)
	}
}

func TestDataDir(t *testing.T) {
	t.Setenv("TIERCACHE_DATA_DIR", "")
	if got := DataDir(); got != "data" {
		t.Errorf("got %q", got)
	}
	t.Setenv("TIERCACHE_DATA_DIR", "/srv/tiercache")
	if got := DataDir(); got != "/srv/tiercache" {
		t.Errorf("got %q", got)
	}
}
