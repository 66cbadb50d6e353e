package platform

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// ErrNotInstalled is wrapped when a server's program is not on this machine.
var ErrNotInstalled = errors.New("not installed")

// findRedis finds redis-server in PATH or where Debian puts it, which a plain user's PATH may lack.
func findRedis() (string, error) {
	for _, name := range []string{"redis-server", "/usr/bin/redis-server", "/usr/local/bin/redis-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("redis-server is %w: run `make up` (or `make test`), which installs it, or `apt-get install redis-server`", ErrNotInstalled)
}

// findPostgres finds the folder with initdb and postgres. For data of a major version it must be that
// version; for new data (major empty) it is the newest.
func findPostgres(major string) (string, error) {
	dirs := postgresDirs()
	if len(dirs) == 0 {
		return "", fmt.Errorf("PostgreSQL is %w: run `make up` (or `make test`), which installs it, or `apt-get install postgresql`", ErrNotInstalled)
	}
	if major == "" {
		return dirs[0], nil
	}
	for _, dir := range dirs {
		if filepath.Base(filepath.Dir(dir)) == major {
			return dir, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL %s is %w, and the data was made by it: install postgresql-%s, or use another data folder", major, ErrNotInstalled, major)
}

// postgresDirs lists Debian's versioned folders, newest first.
func postgresDirs() []string {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil
	}
	dirs = slices.DeleteFunc(dirs, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "initdb"))
		_, err2 := os.Stat(filepath.Join(dir, "postgres"))
		return err != nil || err2 != nil
	})
	slices.SortFunc(dirs, func(a, b string) int { return majorOf(b) - majorOf(a) })
	return dirs
}

func majorOf(bin string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	if err != nil {
		return 0
	}
	return n
}
