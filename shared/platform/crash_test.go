package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// enterable is a folder for one test that a server's account may enter, unlike t.TempDir's.
func enterable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tiercache-platform-")
	if err != nil {
		t.Fatal(err)
	}
	// Again where needed: the server of a killed process may still write as it goes.
	t.Cleanup(func() { eventually(t, 30*time.Second, func() error { return os.RemoveAll(dir) }) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// platformProcess is the test binary supervising a real PostgreSQL, Redis and a node in dir.
type platformProcess struct {
	*exec.Cmd
	dir   string
	out   *bytes.Buffer
	ended chan error
}

func startPlatform(t *testing.T, dir string) *platformProcess {
	t.Helper()
	p := &platformProcess{Cmd: exec.Command(os.Args[0]), dir: dir, out: &bytes.Buffer{}, ended: make(chan error, 1)}
	p.Env = append(os.Environ(), roleVariable+"=platform "+dir)
	p.Stdout, p.Stderr = p.out, p.out
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.WaitDelay = 5 * time.Second
	if err := os.Remove(filepath.Join(dir, "ready")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.Wait() }()
	t.Cleanup(func() {
		_ = p.Process.Kill() // ended already in most tests
		err := <-p.ended
		p.ended <- err
	})
	return p
}

// ready waits until all parts serve, and returns their process ids and the database's URL.
func (p *platformProcess) ready(t *testing.T) (pids [3]int, location string) {
	t.Helper()
	eventually(t, 60*time.Second, func() error {
		content, err := os.ReadFile(filepath.Join(p.dir, "ready"))
		if err == nil {
			_, err = fmt.Sscan(string(content), &pids[0], &pids[1], &pids[2], &location)
		}
		select {
		case ended := <-p.ended:
			p.ended <- ended
			t.Fatalf("it ended: %v\n%s", ended, p.out)
		default:
		}
		return err
	})
	return pids, location
}

func choosePorts(t *testing.T, dir string) (ports [3]int) {
	t.Helper()
	ports = [3]int{port(t), port(t), port(t)}
	if err := os.WriteFile(filepath.Join(dir, "ports"), fmt.Appendf(nil, "%d %d %d", ports[0], ports[1], ports[2]), 0o600); err != nil {
		t.Fatal(err)
	}
	return ports
}

func execute(t *testing.T, location, statement string) (result string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, location)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, statement).Scan(&result); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatalf("%s: %v", statement, err)
	}
	return result
}

func TestCrash_NoChildSurvivesAndTheNextStartWorks(t *testing.T) {
	dir := enterable(t)
	ports := choosePorts(t, dir)
	first := startPlatform(t, dir)
	pids, location := first.ready(t)
	execute(t, location, "CREATE TABLE marks (n int)")
	execute(t, location, "INSERT INTO marks VALUES (42)")

	// No pause in between: the next start must cope with children that are still on their way out.
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.ended
	first.ended <- nil
	second := startPlatform(t, dir)
	_, location = second.ready(t)
	if got := execute(t, location, "SELECT n::text FROM marks"); got != "42" {
		t.Fatalf("n = %q after the crash, want 42", got)
	}
	for i, pid := range pids {
		if _, living := programOf("/proc", pid); living {
			t.Errorf("child %d (pid %d) of the killed process lives", i, pid)
		}
	}

	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := <-second.ended
	second.ended <- ended
	if ended == nil {
		t.Log("stopped cleanly")
	}
	for _, p := range ports {
		if err := dial(loopback(p)); err == nil {
			t.Errorf("port %d is still served after the stop", p)
		}
	}
}

func TestCrash_EachPartKilledComesBack(t *testing.T) {
	dir := enterable(t)
	ports := choosePorts(t, dir)
	p := startPlatform(t, dir)
	pids, location := p.ready(t)
	execute(t, location, "CREATE TABLE marks (n int)")
	for i, pid := range pids {
		kill(t, pid)
		eventually(t, 30*time.Second, func() error {
			if name, holder, ok := listenerOn("/proc", uint16(ports[i])); !ok || holder == pid {
				return fmt.Errorf("part %d: nobody new listens (%s %d)", i, name, holder)
			}
			return nil
		})
	}
	eventually(t, 30*time.Second, func() error {
		conn, err := pgx.Connect(t.Context(), location)
		if err != nil {
			return err
		}
		return conn.Close(t.Context())
	})
	execute(t, location, "SELECT count(*)::text FROM marks")
}

func TestCrash_SecondProcessOnTheSameFolderIsRefused(t *testing.T) {
	dir := enterable(t)
	choosePorts(t, dir)
	first := startPlatform(t, dir)
	first.ready(t)
	second := exec.Command(os.Args[0])
	second.Env = append(os.Environ(), roleVariable+"=platform "+dir)
	out, err := second.CombinedOutput()
	want := fmt.Sprintf("%s is used by process %d", dir, first.Process.Pid)
	if err == nil || !strings.Contains(string(out), want) {
		t.Fatalf("the second process: %v\n%s\nwant: %s", err, out, want)
	}
}
