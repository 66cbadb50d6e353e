package platform

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func startPostgres(t *testing.T, cfg PostgresConfig) *Postgres {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cfg.Throwaway = true
	p, err := StartPostgres(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopPostgres(t, p) })
	return p
}

func stopPostgres(t *testing.T, p *Postgres) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func TestPostgres_RunsUnprivilegedAndWantsThePassword(t *testing.T) {
	dir := enterable(t)
	p := startPostgres(t, PostgresConfig{Dir: dir, Port: port(t)})
	if info, err := os.Stat(p.passwordFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("password file: %v, %v", info, err)
	}
	if os.Geteuid() == 0 {
		if info, err := os.Stat(filepath.Join("/proc", itoa(p.Pid()))); err != nil || uidOf(info) == 0 {
			t.Fatalf("it runs as root (%v)", err)
		}
	}
	wrong := strings.Replace(p.URL(), p.password, "guess", 1)
	if conn, err := pgx.Connect(t.Context(), wrong); err == nil {
		conn.Close(t.Context())
		t.Fatal("a wrong password opens the database")
	}
	if got := execute(t, p.URL(), "SELECT current_database() || ' ' || current_user"); got != "tiercache tiercache" {
		t.Fatalf("connected to %s", got)
	}
	for _, arg := range p.args() {
		if strings.Contains(arg, p.password) {
			t.Fatal("the password is on the command line")
		}
	}
}

// A platform that a user started once must start for root too.
func TestPostgres_RootGoesOnAsTheOwnerOfTheData(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("nothing to see unless root")
		return
	}
	dir := enterable(t)
	cfg := PostgresConfig{Dir: dir, Port: port(t)}
	first := startPostgres(t, cfg)
	stopPostgres(t, first)
	const user = 4321
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, user, user))
	})
	if err != nil {
		t.Fatal(err)
	}
	second := startPostgres(t, cfg)
	execute(t, second.URL(), "SELECT 'in'")
	if info, err := os.Stat(filepath.Join("/proc", itoa(second.Pid()))); err != nil || uidOf(info) != user {
		t.Fatalf("it does not run as the owner of its data: %v", err)
	}
}

func TestPostgres_LostPasswordFileIsReplaced(t *testing.T) {
	dir := enterable(t)
	cfg := PostgresConfig{Dir: dir, Port: port(t)}
	first := startPostgres(t, cfg)
	stopPostgres(t, first)
	if err := os.Remove(first.passwordFile()); err != nil {
		t.Fatal(err)
	}
	second := startPostgres(t, cfg)
	if second.password == first.password {
		t.Fatal("the lost password came back")
	}
	execute(t, second.URL(), "SELECT 'in'")
}

// An empty database in place of one that was lost would be taken for it by everybody.
func TestPostgres_OneThatIsGoneIsNotMadeAnew(t *testing.T) {
	dir := enterable(t)
	cfg := PostgresConfig{Dir: dir, Port: port(t)}
	first := startPostgres(t, cfg)
	stopPostgres(t, first)
	if err := os.RemoveAll(first.data()); err != nil {
		t.Fatal(err)
	}
	_, err := StartPostgres(t.Context(), cfg)
	if !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), first.data()) || !strings.Contains(err.Error(), "tiercache control restore") {
		t.Fatalf("got %v", err)
	}
	if err := os.Remove(first.passwordFile()); err != nil {
		t.Fatal(err)
	}
	second := startPostgres(t, cfg)
	execute(t, second.URL(), "SELECT 'in'")
}

func TestPostgres_HalfMadeClusterIsMadeAnew(t *testing.T) {
	dir := enterable(t)
	if err := os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := startPostgres(t, PostgresConfig{Dir: dir, Port: port(t)})
	execute(t, p.URL(), "SELECT 'in'")
}

func TestPostgres_DataOfAVersionThatIsNotInstalled(t *testing.T) {
	dir := enterable(t)
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartPostgres(t.Context(), PostgresConfig{Dir: dir, Port: port(t)})
	if err == nil || !strings.Contains(err.Error(), "install postgresql-8") {
		t.Fatalf("got %v", err)
	}
}
