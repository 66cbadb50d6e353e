package endtoend

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// version is what the program under test says of itself.
const version = "endtoend"

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
	dir, err := os.MkdirTemp("", "tiercache-endtoend-")
	if err == nil {
		program = filepath.Join(dir, "tiercache")
		err = build(program)
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

// build makes the program as `make build` does: static and without the race detector, whose memory and
// time would be measured instead of the program's.
func build(path string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w -X main.version=" + version, "-o", path}, flags...)
	cmd := exec.Command("go", append(args, "tiercache/cmd/tiercache")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// wholeRun skips the test with -short: each runs processes for seconds.
func wholeRun(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a whole platform: not with -short")
	}
}
