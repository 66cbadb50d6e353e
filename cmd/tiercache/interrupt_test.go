package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tiercache/shared/testkit"
)

// stalling serves body; unless begun is nil it closes that then, and keeps the reply open until the client goes.
func stalling(t *testing.T, body string, begun chan struct{}) (url string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, body) // to a client that a test watches
		if begun != nil {
			_ = http.NewResponseController(w).Flush()
			close(begun)
			<-r.Context().Done()
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// endsWith wants the process to end with that status.
func endsWith(t *testing.T, cmd *exec.Cmd, status int) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != status {
			t.Errorf("it ended with %v, want %d", err, status)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
}

func TestInterrupt_GetLeavesNothingBehind(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		begun := make(chan struct{})
		url, dir := stalling(t, "half", begun), t.TempDir()
		cmd, said := played(t, "object", "get", "h/x", "--origin", url, "--token", "tct_x", "-O", filepath.Join(dir, "f"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-begun
		testkit.Eventually(t, 10*time.Second, func() error {
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				return errors.New("the file was not begun")
			}
			return nil
		})
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		endsWith(t, cmd, 128+int(sig))
		holds(t, dir, nil)
		if !strings.Contains(said.String(), "interrupted ("+sig.String()+")") {
			t.Errorf("it says %q", said)
		}
	}
}

// A read of a pipe or a terminal does not end with the context.
func TestInterrupt_EndsACommandThatWaitsForInput(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, _ := played(t, "object", "put", "h/x", pipe, "--origin", "http://127.0.0.1:1", "--token", "tct_x")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	feed, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits until it is being read
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	endsWith(t, cmd, 128+int(syscall.SIGTERM))
}

// Nodes and up drain; a client command would be ended after a moment.
func TestInterrupt_IsForClientCommandsOnly(t *testing.T) {
	own := map[string]bool{"up": true, "edge": true, "regional": true, "origin": true, "control": true, "nats": true}
	for _, cmd := range newRootCommand().Commands() {
		if ownsSignals(cmd) != own[cmd.Name()] {
			t.Errorf("%s takes signals by itself: %v", cmd.Name(), ownsSignals(cmd))
		}
	}
}
