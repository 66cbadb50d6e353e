package endtoend

import (
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"tiercache/control/client"
)

// TestPurgeWait has an edge that hangs. A dry run says what is not known of it. Who waits for a purge and stops is told
// that it goes on, and how to wait again.
func TestPurgeWait(t *testing.T) {
	wholeRun(t)
	u := started(t)
	const page = "wait.example.test/page"
	u.put(t, page, []byte("content"))
	for n := 1; n <= 2; n++ {
		get(t, u.edge(n)+"/page", "Host: wait.example.test").is(t, 200, "content")
	}
	dry := u.control(t, "purge", "--url", "http://"+page, "--host", "none.example.test", "--dry-run", "--timeout", "30s").succeeds(t)
	lines := strings.Split(strings.TrimSpace(dry), "\n")
	if len(lines) != 5 || lines[0] != "dry run: things named: 2, mode: hard; nothing was purged" {
		t.Fatalf("it says\n%s", dry)
	}
	for i, node := range []string{"regional-1", "edge-1", "edge-2"} {
		if f := strings.Fields(lines[2+i]); len(f) != 6 || f[0] != node || f[3] != "1" || f[5] != "exact" {
			t.Errorf("of %s it says %q", node, lines[2+i])
		}
	}
	get(t, u.edge(1)+"/page", "Host: wait.example.test").saysThat(t, "edge-1; hit")

	pid, err := u.pid(t, "edge-2")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) }) // it may have ended
	waiting := launch(t, environment(), program, "purge", "--url", "http://"+page, "--wait", "--timeout", "60s", "--data-dir", u.dir, "--control", u.url(controlPort))
	waiting.awaitLine(t, " epoch ")
	if err := waiting.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	waiting.awaitEnd(t)
	var exit *exec.ExitError
	said := waiting.printed.String()
	if !errors.As(waiting.Err(), &exit) || exit.ExitCode() != 128+int(syscall.SIGINT) || !strings.Contains(said, "it cannot be taken back") {
		t.Errorf("%v:\n%s", waiting.Err(), said)
	}
	id := strings.Fields(said)[1]
	if !strings.Contains(said, "`tiercache purge wait "+id+"` waits again") || !strings.Contains(said, "pending   edge-2 ") || !strings.Contains(said, "last heard ") {
		t.Errorf("it says\n%s", said)
	}
	again := u.control(t, "purge", "wait", id, "--timeout", "60s").succeeds(t)
	if !strings.Contains(again, "applied   edge-1 ") || !strings.Contains(again, "fenced    edge-2 ") {
		t.Errorf("purge wait says\n%s", again)
	}
	if p, err := u.client(t).Purge(t.Context(), id); err != nil || p.State != client.StateComplete {
		t.Errorf("%+v, %v", p, err)
	}
	if dry := u.control(t, "purge", "--all", "--dry-run", "--timeout", "3s").succeeds(t); !strings.Contains(dry, "not known: the node does not answer in time") {
		t.Errorf("a dry run says\n%s", dry)
	}
}

// client is a client of the platform's control.
func (u *up) client(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{URL: u.url(controlPort), Token: u.token(t)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
