package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

func uidOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }

func TestCheckPorts_NamesPortUseAndHolder(t *testing.T) {
	listener, err := net.Listen("tcp", loopback(port(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	addr := listener.Addr().String()
	err = CheckPorts(t.Context(), []PortUse{{loopback(port(t)), "origin"}, {addr, "edge-1"}}, 0)
	want := fmt.Sprintf("%s, for edge-1, is held by platform.test (pid %d)", addr, os.Getpid())
	if !errors.Is(err, ErrPortBusy) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "origin") {
		t.Fatalf("got %v\nwant %s", err, want)
	}
}

func TestCheckPorts_OnePortForTwo(t *testing.T) {
	addr := loopback(port(t))
	err := CheckPorts(t.Context(), []PortUse{{addr, "edge-1"}, {addr, "edge-2"}}, 0)
	if !errors.Is(err, ErrPortBusy) || !strings.Contains(err.Error(), "both edge-1 and edge-2") {
		t.Fatalf("got %v", err)
	}
}

func TestCheckPorts_WaitsForWhatIsOnItsWayOut(t *testing.T) {
	listener, err := net.Listen("tcp", loopback(port(t)))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, func() { listener.Close() })
	if err := CheckPorts(t.Context(), []PortUse{{listener.Addr().String(), "edge-1"}}, 10*time.Second); err != nil {
		t.Fatal(err)
	}
}

// Whoever may not write there is told what to do, as where the folder cannot be made.
func TestLockDir_FolderThatCannotBeLocked(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "up.lock"), 0o700); err != nil { // root could open any file
		t.Fatal(err)
	}
	if _, err := LockDir(dir); err == nil || !strings.Contains(err.Error(), "choose another with --data-dir") {
		t.Fatalf("got %v", err)
	}
}

func TestLockDir_SaysWhoHasItAndWhetherTheLastOneCrashed(t *testing.T) {
	dir := t.TempDir()
	first, err := LockDir(dir)
	if err != nil || first.Crashed {
		t.Fatalf("%+v, %v", first, err)
	}
	if _, err := LockDir(dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), itoa(os.Getpid())) {
		t.Fatalf("got %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	second, err := LockDir(dir)
	if err != nil || second.Crashed {
		t.Fatalf("after a release: %+v, %v", second, err)
	}
	// The kernel drops a dead process's lock but not what it wrote.
	if err := second.file.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := LockDir(dir)
	if err != nil || !third.Crashed {
		t.Fatalf("after a crash: %+v, %v", third, err)
	}
	if err := third.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestLogFile_IsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge-1.log")
	log, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for range 3 * logLimit / len(chunk) {
		log.write(chunk)
	}
	if err := log.close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + ".1"} {
		if info, err := os.Stat(name); err != nil || info.Size() > logLimit {
			t.Fatalf("%s: %v, %v", name, info, err)
		}
	}
	if exists(path + ".2") {
		t.Fatal("a third file")
	}
}

func TestOutput_LimitsLinesAndTheirLength(t *testing.T) {
	var shown []string
	o, err := openOutput(filepath.Join(t.TempDir(), "log"), func(string) bool { return true }, func(line string) { shown = append(shown, line) })
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 3*lineLimit)
	fmt.Fprintf(o, "%s\nhalf ", long)
	fmt.Fprint(o, "and half\n\n")
	for i := range 20 {
		fmt.Fprintf(o, "line %d\n", i)
	}
	if len(shown) != loudLimit || len(shown[0]) != lineLimit || shown[1] != "half and half" {
		t.Fatalf("shown: %d lines, the first of %d bytes, the second %q", len(shown), len(shown[0]), shown[1])
	}
	o.line("later", time.Now().Add(loudWindow))
	if got := shown[len(shown)-2]; got != "(17 more lines are in its log)" {
		t.Fatalf("after the window: %q", got)
	}
	fmt.Fprint(o, "last words")
	if got := o.lastLine(); got != "last words" {
		t.Fatalf("last: %q", got)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSecret_KeptAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.token")
	first, err := Secret(path, RandomSecret)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Secret(path, RandomSecret)
	if err != nil || second != first || len(first) < 40 {
		t.Fatalf("%q, then %q, %v", first, second, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
}

func TestRedis_PasswordIsNotOnTheCommandLine(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := StartRedis(ctx, RedisConfig{Port: port(t), Password: "hush"})
	if err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(filepath.Join("/proc", itoa(r.Pid()), "cmdline"))
	if err != nil || strings.Contains(string(line), "hush") {
		t.Fatalf("command line %q, %v", line, err)
	}
	if err := NewRedis(RedisConfig{Port: r.cfg.Port}).Ready(ctx); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Fatalf("without the password: %v", err)
	}
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}
