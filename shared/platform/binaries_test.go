package platform

import (
	"os"
	"path/filepath"
	"testing"
)

// program writes an executable script.
func program(t *testing.T, path, script string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// Systems that are not Debian have PostgreSQL in PATH, and .ci/deps is content with that.
func TestFindPostgres_InPath(t *testing.T) {
	dir, path := t.TempDir(), t.TempDir()
	t.Setenv("PATH", path)
	program(t, filepath.Join(dir, "postgres"), "echo 'postgres (PostgreSQL) 99.2 (Other 99.2-1)'")
	if err := os.Symlink(filepath.Join(dir, "postgres"), filepath.Join(path, "postgres")); err != nil {
		t.Fatal(err)
	}
	if got, err := findPostgres("99"); err == nil {
		t.Fatalf("found %s, which has no initdb", got)
	}
	program(t, filepath.Join(dir, "initdb"), "")
	for _, major := range []string{"99", ""} {
		if got, err := findPostgres(major); got != dir {
			t.Errorf("version %q: found %q, %v; want %s", major, got, err, dir)
		}
	}
}

func TestFindPostgres_OneThatDoesNotSayItsVersionIsTheLastChoice(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	program(t, filepath.Join(dir, "postgres"), "exit 1")
	program(t, filepath.Join(dir, "initdb"), "")
	builds := postgresBuilds()
	if last := builds[len(builds)-1]; last.dir != dir || last.major != 0 {
		t.Errorf("got %+v", builds)
	}
}
