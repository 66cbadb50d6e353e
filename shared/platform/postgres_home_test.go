package platform

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// closedFolder is a folder for a cluster that only root may enter, as in a repository in root's home.
// Homes that are made for it are removed with the test.
func closedFolder(t *testing.T) string {
	t.Helper()
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "postgres")
	t.Cleanup(func() {
		owners, err := filepath.Glob(filepath.Join(sharedHome, "postgres-*", "owner"))
		if err != nil {
			t.Error(err)
		}
		for _, owner := range owners {
			if content, err := os.ReadFile(owner); err == nil && strings.HasPrefix(string(content), closed+"/") {
				os.RemoveAll(filepath.Dir(owner))
			}
		}
	})
	return dir
}

// onlyRoot reports whether folders can be closed to the server's account: nobody else runs it as another.
func onlyRoot(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("only root's folders are closed to the server's account; nothing to see as another user")
		return false
	}
	return true
}

func openPostgres(t *testing.T, cfg PostgresConfig) *Postgres {
	t.Helper()
	p, err := OpenPostgres(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// makeData makes what stands for a cluster in home.
func makeData(t *testing.T, home string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(home, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// A data folder that is moved aside or lost never takes a database with it.
func TestPostgresHome_EachDatabaseOutlivesItsFolder(t *testing.T) {
	if !onlyRoot(t) {
		return
	}
	var said bytes.Buffer
	cfg := PostgresConfig{Dir: closedFolder(t), Port: port(t), Log: slog.New(slog.NewTextHandler(&said, nil))}
	first := startPostgres(t, cfg)
	if !strings.HasPrefix(first.dir, sharedHome) || !strings.Contains(said.String(), "database="+first.dir) || strings.Contains(said.String(), " older=") {
		t.Fatalf("the database lies in %s; it said:\n%s", first.dir, said.String())
	}
	execute(t, first.URL(), "CREATE TABLE marks (n int)")
	stopPostgres(t, first)
	again := startPostgres(t, cfg)
	execute(t, again.URL(), "SELECT count(*)::text FROM marks")
	stopPostgres(t, again)

	// Moved aside: the path begins anew, and says where the old one is.
	aside := cfg.Dir + ".aside"
	rename(t, cfg.Dir, aside)
	said.Reset()
	second := startPostgres(t, cfg)
	stopPostgres(t, second)
	if second.dir == first.dir || !strings.Contains(said.String(), " older="+first.dir) {
		t.Fatalf("the database lies in %s; it said:\n%s", second.dir, said.String())
	}

	// Moved back: all is there.
	rename(t, cfg.Dir, cfg.Dir+".second")
	rename(t, aside, cfg.Dir)
	third := startPostgres(t, cfg)
	execute(t, third.URL(), "SELECT count(*)::text FROM marks")
	stopPostgres(t, third)

	// Its folder is lost: what the line advises leads back to the database.
	if err := os.RemoveAll(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	fourth := startPostgres(t, cfg)
	stopPostgres(t, fourth)
	if err := WriteFile(locationFile(cfg.Dir), []byte(first.dir+"\n")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(fourth.passwordFile()); err != nil {
		t.Fatal(err)
	}
	fifth := startPostgres(t, cfg)
	execute(t, fifth.URL(), "SELECT count(*)::text FROM marks")
}

func TestPostgresHome_OneThatIsGoneIsAnError(t *testing.T) {
	dir := enterable(t)
	gone := filepath.Join(dir, "gone")
	if err := WriteFile(locationFile(dir), []byte(gone+"\n")); err != nil {
		t.Fatal(err)
	}
	_, err := OpenPostgres(PostgresConfig{Dir: dir, Port: port(t)})
	if err == nil || !strings.Contains(err.Error(), gone) || !strings.Contains(err.Error(), "put that folder back") {
		t.Fatalf("got %v", err)
	}
}

// What the account may enter can change; where the database lies does not.
func TestPostgresHome_StaysWhenTheFolderIsOpened(t *testing.T) {
	if !onlyRoot(t) {
		return
	}
	cfg := PostgresConfig{Dir: closedFolder(t), Port: port(t)}
	first := openPostgres(t, cfg)
	makeData(t, first.dir)
	open := enterable(t)
	rename(t, cfg.Dir, filepath.Join(open, "postgres"))
	cfg.Dir = filepath.Join(open, "postgres")
	if second := openPostgres(t, cfg); second.dir != first.dir {
		t.Fatalf("the database lay in %s and is looked for in %s", first.dir, second.dir)
	}
}

func TestPostgresHome_ClosingTheFolderIsAnError(t *testing.T) {
	if !onlyRoot(t) {
		return
	}
	dir := closedFolder(t)
	makeData(t, dir)
	_, err := OpenPostgres(PostgresConfig{Dir: dir, Port: port(t)})
	if err == nil || !strings.Contains(err.Error(), "chmod o+x") || exists(locationFile(dir)) {
		t.Fatalf("got %v", err)
	}
}

// A user's platform in the user's own closed folder goes on under root.
func TestPostgresHome_TheOwnerOfTheDataMayEnter(t *testing.T) {
	if !onlyRoot(t) {
		return
	}
	dir := filepath.Join(enterable(t), "home", "postgres")
	makeData(t, dir)
	const user = 4321
	for _, path := range []string{filepath.Dir(dir), dir, filepath.Join(dir, "data")} {
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, user, user); err != nil {
			t.Fatal(err)
		}
	}
	if p := openPostgres(t, PostgresConfig{Dir: dir, Port: port(t)}); p.dir != dir {
		t.Fatalf("the database is looked for in %s", p.dir)
	}
}
