package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tiercache/shared/testkit"
)

const (
	// diskSize holds the database, its log and a dozen bodies.
	diskSize = 320 << 20
	// reserve is what is freed when the disk is full.
	reserve  = 40 << 20
	bodySize = 8 << 20
	// mostBodies is more than the disk has room for.
	mostBodies = 60
)

// TestDiskFull fills the disk that PostgreSQL is on. Writes are told so, what is stored is read on, and
// when there is room again all is as before.
func TestDiskFull(t *testing.T) {
	wholeRun(t)
	u := newUp(t)
	if err := os.MkdirAll(u.dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", u.dir, "tmpfs", 0, fmt.Sprintf("mode=0711,size=%d", diskSize)); err != nil {
		t.Skipf("a small disk cannot be mounted, which only root may: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			u.showLogs(t) // before they are gone with the disk
		}
		testkit.Eventually(t, stopTimeout, func() error { return syscall.Unmount(u.dir, 0) })
	})
	ballast := filepath.Join(u.dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, reserve), 0o600); err != nil {
		t.Fatal(err)
	}
	u.start(t)

	stored, refused := fill(t, u)
	t.Logf("%d bodies of 8 MiB stored, then:\n%s", len(stored), strings.Join(refused, "\n"))
	readAll(t, u, stored)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	after := body(mostBodies)
	testkit.Eventually(t, recovery, func() error {
		if result := putBody(t, u, "after", after); result.code != 0 {
			return fmt.Errorf("put: %s", result.stderr)
		}
		return nil
	})
	t.Logf("writes work again %v after there is room", time.Since(began).Round(time.Millisecond))
	same(t, "the body that was stored last", []byte(u.object(t, "get", "disk.example.test/after").succeeds(t)), after)
	readAll(t, u, stored)
	if n := strings.Count(u.object(t, "ls", "disk.example.test").succeeds(t), "\n"); n != len(stored)+1 {
		t.Errorf("%d objects are listed, want %d", n, len(stored)+1)
	}
	u.object(t, "rm", "disk.example.test/0").succeeds(t)
	u.object(t, "get", "disk.example.test/0").fails(t, "404 Not Found")
	u.stop(t)
}

// fill stores bodies until the disk is full and some are refused for that. Each refusal must be clear. When
// it is PostgreSQL's log that finds no room, the server restarts by itself: writes are refused for that
// while it does, and it must come back although the disk is still full.
func fill(t *testing.T, u *up) (stored []int, refused []string) {
	t.Helper()
	const wanted = 4
	for i, full := 0, 0; full < wanted; i++ {
		if i == mostBodies {
			t.Fatalf("of %d bodies %d were stored and only %d refused because the disk is full", i, len(stored), full)
		}
		result := putBody(t, u, fmt.Sprint(i), body(i))
		if result.code == 0 {
			stored = append(stored, i)
			continue
		}
		refused = append(refused, strings.TrimSpace(result.stderr))
		if strings.Contains(result.stderr, "503 Service Unavailable: the database is not available now") {
			patiently(t, recovery, func() error { return lacksNothing(u.url(originPort + adminDistance)) })
			continue
		}
		full++
		result.fails(t, "507 Insufficient Storage", "disk is full")
	}
	if len(stored) == 0 {
		t.Fatal("nothing could be stored at all")
	}
	return stored, refused
}

// readAll wants each body as it was stored: every third through an edge, the others from the origin.
func readAll(t *testing.T, u *up, stored []int) {
	t.Helper()
	for _, i := range stored {
		var got []byte
		if i%3 == 0 {
			got = get(t, fmt.Sprintf("%s/%d", u.edge(1), i), "Host: disk.example.test").body
		} else {
			got = []byte(u.object(t, "get", fmt.Sprintf("disk.example.test/%d", i)).succeeds(t))
		}
		same(t, fmt.Sprintf("body %d", i), got, body(i))
	}
}

func body(i int) []byte { return pattern(bodySize, uint64(i)) }

func putBody(t *testing.T, u *up, name string, content []byte) ended {
	t.Helper()
	return tiercacheReading(t, strings.NewReader(string(content)), u.objectArgs([]string{"put", "disk.example.test/" + name, "-"})...)
}
