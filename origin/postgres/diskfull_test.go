package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tiercache/origin"
	"tiercache/shared/testkit"
)

// leftFree is how much of the disk stays free: less than the bodies that the test writes, and less than
// PostgreSQL's log segment, which exists already, has room for.
const leftFree = 1 << 20

func TestDiskFull_IsSaidAndNothingIsLost(t *testing.T) {
	disk := smallDisk(t, "256m")
	t.Setenv("TMPDIR", disk)
	server := testkit.PostgresProc(t)
	s := open(t, Config{URL: server.URL})
	before := pattern(2*origin.ChunkSize, "before")
	kept := write(t, s, "/kept", before)
	execute(t, s, "SELECT pg_switch_wal()")
	write(t, s, "/segment", []byte("the new log segment is made now"))
	execute(t, s, "CHECKPOINT")
	filler := fillDisk(t, disk)
	full := 0
	for i := range 8 {
		switch _, _, err := s.Put(context.Background(), origin.Upload{Address: addr("/kept"), Body: newPattern(5*origin.ChunkSize, i)}); {
		case errors.Is(err, origin.ErrDiskFull):
			full++
		case err == nil:
			t.Fatalf("write %d of a body that the disk has no room for was acknowledged", i)
		case !errors.Is(err, origin.ErrUnavailable):
			t.Errorf("write %d: %v", i, err)
		}
	}
	if full == 0 {
		t.Error("no write was told that the disk is full")
	}
	if got := read(t, s, kept); string(got) != string(before) {
		t.Error("the old version differs")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		_, _, err := s.Put(context.Background(), origin.Upload{Address: addr("/after"), Body: newPattern(5*origin.ChunkSize, 1)})
		return err
	})
	if n := count(t, s, "origin.bodies WHERE expires_at IS NOT NULL"); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

// smallDisk mounts a file system of the given size, which needs root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size="+size); err != nil {
		t.Skipf("no small disk can be mounted (that needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fillDisk takes all but leftFree bytes of the disk.
func fillDisk(t *testing.T, disk string) string {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(disk, &st); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(disk, "filler")
	if err := os.WriteFile(file, make([]byte, int64(st.Bavail)*st.Bsize-leftFree), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func newPattern(n, i int) *bytes.Reader { return bytes.NewReader(pattern(n, fmt.Sprint("full", i))) }
