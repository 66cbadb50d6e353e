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

// postgresBuild is an installed PostgreSQL.
type postgresBuild struct {
	dir   string // where initdb and postgres are
	major int    // 0 when it does not say
}

// findPostgres finds the folder with initdb and postgres. For data of a major version it must be that
// version; for new data (major empty) it is the newest.
func findPostgres(major string) (string, error) {
	builds := postgresBuilds()
	if len(builds) == 0 {
		return "", fmt.Errorf("PostgreSQL is %w: run `make up` (or `make test`), which installs it, or `apt-get install postgresql`", ErrNotInstalled)
	}
	if major == "" {
		return builds[0].dir, nil
	}
	for _, build := range builds {
		if strconv.Itoa(build.major) == major {
			return build.dir, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL %s is %w, and the data was made by it: install postgresql-%s, or use another data folder", major, ErrNotInstalled, major)
}

// postgresBuilds lists the PostgreSQL of PATH, if there is one, and those in Debian's versioned folders,
// newest first. have_postgres in .ci/deps looks in the same places.
func postgresBuilds() []postgresBuild {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && !slices.Contains(dirs, filepath.Dir(path)) {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	var builds []postgresBuild
	for _, dir := range dirs {
		if isProgram(filepath.Join(dir, "initdb")) && isProgram(filepath.Join(dir, "postgres")) {
			builds = append(builds, postgresBuild{dir: dir, major: majorOf(dir)})
		}
	}
	slices.SortStableFunc(builds, func(a, b postgresBuild) int { return b.major - a.major })
	return builds
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// majorOf is the major version of the programs in dir: by the folder's name where Debian gave it one, else
// by asking.
func majorOf(dir string) int {
	if n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir))); err == nil {
		return n
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	var n int
	if _, err := fmt.Sscanf(string(out), "postgres (PostgreSQL) %d", &n); err != nil {
		return 0
	}
	return n
}
