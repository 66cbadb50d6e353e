package semantics

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// service is the service document of the suite's server, as an item of a list in YAML. The suite wants Set-Cookie
// stored and Surrogate-Control obeyed; both are off unless a service asks for them.
func service(upstream string) string {
	return "  - name: suite\n    hosts: [\"*\"]\n    upstream: " + upstream + "\n    allow_set_cookie: true\n    surrogate_control: true\n    languages: [de]\n"
}

// build makes the program as `make build` does.
func build(ctx context.Context) (path string, remove func() error, err error) {
	dir, err := os.MkdirTemp("", "tiercache-semantics-")
	if err != nil {
		return "", nil, err
	}
	remove = func() error { return os.RemoveAll(dir) }
	path = filepath.Join(dir, "tiercache")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=semantics", "-o", path, "tiercache/cmd/tiercache")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		_ = remove() // the build's error is the one that counts
		return "", nil, fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, remove, nil
}

// Folder finds this package's folder. The working folder must be in the module.
func Folder(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "tiercache/loadtests/semantics").Output()
	if err != nil {
		return "", fmt.Errorf("find loadtests/semantics, run this inside the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
