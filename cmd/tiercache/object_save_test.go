package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	hello       = "hello\n"
	helloDigest = "sha-256=:WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=:"
)

// answer is a response with that body.
func answer(body, digest string) *http.Response {
	return &http.Response{Header: http.Header{"Repr-Digest": {digest}}, Body: io.NopCloser(strings.NewReader(body))}
}

// holds fails unless the folder has exactly these files, by name and content.
func holds(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := want[e.Name()]; !ok {
			t.Errorf("%s was left", e.Name())
		}
	}
	for name, content := range want {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != content {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestSave_ReplacesAFileByAWholeObjectOnly(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte("before"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o604); err != nil {
		t.Fatal(err)
	}
	if err := saveVerified(t.Context(), file, answer("hell", helloDigest)); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged one: %v", err)
	}
	holds(t, dir, map[string]string{"f": "before"})
	if err := saveVerified(t.Context(), file, answer(hello, helloDigest)); err != nil {
		t.Error(err)
	}
	holds(t, dir, map[string]string{"f": hello})
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o604 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := saveVerified(t.Context(), dir, answer(hello, helloDigest)); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
}

// The umask is the process's, so a process of its own has one to test with.
func TestSave_NewFileRespectsTheUmask(t *testing.T) {
	url := stalling(t, hello, nil)
	dir := t.TempDir()
	cmd, said := played(t, "object", "get", "h/x", "--origin", url, "--token", "tct_x", "-O", "f")
	cmd.Dir = dir
	cmd.Args = append([]string{"sh", "-c", `umask 007; exec "$0" "$@"`}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	cmd.Path = "/bin/sh"
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if info, err := os.Stat(filepath.Join(dir, "f")); err != nil || info.Mode() != 0o660 {
		t.Errorf("mode %v, %v", info, err)
	}
	holds(t, dir, map[string]string{"f": hello})
}

func TestSave_FollowsLinks(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	for link, to := range map[string]string{
		filepath.Join(dir, "there"): filepath.Join(other, "file"), filepath.Join(other, "file"): "last",
		filepath.Join(dir, "loop"): "loop",
	} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range []string{hello, "again"} { // what the last link names is not there, then it is
		if err := saveVerified(t.Context(), filepath.Join(dir, "there"), answer(body, "")); err != nil {
			t.Fatal(err)
		}
		holds(t, other, map[string]string{"file": body, "last": body})
	}
	if info, err := os.Lstat(filepath.Join(dir, "there")); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is a %v, %v", info.Mode(), err)
	}
	if err := saveVerified(t.Context(), filepath.Join(dir, "loop"), answer(hello, "")); err == nil {
		t.Error("a loop passes")
	}
}

func TestSave_WritesToAPipeAndADevice(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte, 1)
	go func() {
		b, _ := os.ReadFile(pipe) // what is missing is seen below
		got <- b
	}()
	if err := saveVerified(t.Context(), pipe, answer(hello, helloDigest)); err != nil {
		t.Fatal(err)
	}
	if b := <-got; !bytes.Equal(b, []byte(hello)) {
		t.Errorf("the pipe gave %q", b)
	}
	for _, file := range []string{pipe, "/dev/null"} {
		before, err := os.Lstat(file)
		if err != nil {
			t.Fatal(err)
		}
		if file == "/dev/null" {
			if err := saveVerified(t.Context(), file, answer(hello, "")); err != nil {
				t.Error(err)
			}
		}
		if after, err := os.Lstat(file); err != nil || !os.SameFile(before, after) || after.Mode().IsRegular() {
			t.Errorf("%s was replaced: %v, %v", file, after, err)
		}
	}
}

func TestSave_PipeThatNobodyReadsEndsWithTheContext(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("told to end")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := saveVerified(ctx, pipe, answer(hello, "")); !errors.Is(err, cause) {
		t.Errorf("never opened by a reader: %v", err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // also lets the attempt above go on
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel = context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- saveVerified(ctx, pipe, answer(strings.Repeat("x", 1<<20), "")) }()
	if _, err := io.ReadFull(reader, make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	cancel(cause)
	select {
	case err := <-done:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a reader that stopped: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for a reader that has stopped")
	}
}
