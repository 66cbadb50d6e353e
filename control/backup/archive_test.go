package backup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tiercache/shared/testkit"
)

const (
	testSystem = 7_400_000_000_000_000_001
	testSize   = 1 << 20 // of a segment
)

// newRepository is an empty one.
func newRepository(t *testing.T) *Repository {
	t.Helper()
	dir := t.TempDir()
	for parent := dir; parent != "/"; parent = filepath.Dir(parent) {
		if strings.Contains(parent, "Test") {
			if err := os.Chmod(parent, 0o755); err != nil { // root's repository is for the account postgres
				t.Fatal(err)
			}
		}
	}
	r, err := OpenOrCreate(filepath.Join(dir, "repository"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// writeSegment makes a segment of the WAL with random content, in a folder of its own.
func writeSegment(t *testing.T, name string, system uint64, seed byte) (path string, content []byte) {
	t.Helper()
	s, ok := segmentOf(name[:24], testSize)
	if !ok {
		t.Fatalf("%s names no segment", name)
	}
	content = make([]byte, testSize)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(content) // never fails
	binary.LittleEndian.PutUint16(content[2:], longHeader)
	binary.LittleEndian.PutUint32(content[4:], s.timeline)
	binary.LittleEndian.PutUint64(content[8:], s.number*testSize)
	binary.LittleEndian.PutUint64(content[24:], system)
	binary.LittleEndian.PutUint32(content[32:], testSize)
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func mustArchive(t *testing.T, r *Repository, path string) string {
	t.Helper()
	if err := r.Archive(path); err != nil {
		t.Fatal(err)
	}
	kept, err := r.find(filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func wantError(t *testing.T, err, is error, says ...string) {
	t.Helper()
	if err == nil || is != nil && !errors.Is(err, is) {
		t.Fatalf("got error %v, want %v", err, is)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}

func TestArchive_GivesBackWhatItWasGiven(t *testing.T) {
	r := newRepository(t)
	path, content := writeSegment(t, "000000010000000000000003", testSystem, 1)
	for range 2 { // PostgreSQL may call again after a crash
		mustArchive(t, r, path)
	}
	again, err := Open(r.Dir())
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "RECOVERYXLOG")
	if err := again.Fetch("000000010000000000000003", target); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(target); err != nil || !bytes.Equal(got, content) {
		t.Fatalf("another content came back (%v)", err)
	}
	history := filepath.Join(t.TempDir(), "00000002.history")
	if err := os.WriteFile(history, []byte("1\t0/5000060\tno recovery target specified\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustArchive(t, r, history)
}

func TestArchive_RefusesAnotherContent(t *testing.T) {
	r := newRepository(t)
	path, content := writeSegment(t, "000000010000000000000003", testSystem, 1)
	kept := mustArchive(t, r, path)
	other, _ := writeSegment(t, "000000010000000000000003", testSystem, 2)
	wantError(t, r.Archive(other), ErrConflict, kept)
	target := filepath.Join(t.TempDir(), "x")
	if err := r.Fetch("000000010000000000000003", target); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(target); err != nil || !bytes.Equal(got, content) {
		t.Fatalf("what was there first was replaced (%v)", err)
	}
}

func TestArchive_RefusesWhatCannotBeRestored(t *testing.T) {
	r := newRepository(t)
	first, _ := writeSegment(t, "000000010000000000000003", testSystem, 1)
	mustArchive(t, r, first)
	stranger, _ := writeSegment(t, "000000010000000000000004", testSystem+1, 1)
	wantError(t, r.Archive(stranger), ErrOtherCluster)
	ready, content := writeSegment(t, "000000010000000000000004", testSystem, 1)
	renamed := filepath.Join(filepath.Dir(ready), "000000010000000000000005")
	if err := os.Rename(ready, renamed); err != nil {
		t.Fatal(err)
	}
	wantError(t, r.Archive(renamed), nil, "has not written it yet")
	short := filepath.Join(filepath.Dir(ready), "000000010000000000000004")
	if err := os.WriteFile(short, content[:testSize-1], 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, r.Archive(short), nil, "not whole")
	for _, name := range []string{"base", "000000010000000000000003.zst", "00000001000000000000000g", ".."} {
		wantError(t, r.Archive(filepath.Join(filepath.Dir(ready), name)), errName)
	}
}

// A process that is killed has kept nothing, and the next one is not in its way.
func TestArchive_KilledHalfWay(t *testing.T) {
	r := newRepository(t)
	const name = "000000010000000000000003"
	path, content := writeSegment(t, name, testSystem, 1)
	before, _ := writeSegment(t, "000000010000000000000002", testSystem, 1)
	mustArchive(t, r, before)
	cmd := exec.Command(os.Args[0], "control", "backup", killedWord, "--repository", r.Dir(), name)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(content[:testSize/2]); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(r.folderOf(name), "."+name+".new")
	testkit.Eventually(t, time.Minute, func() error {
		info, err := os.Stat(left)
		if err == nil && info.Size() == 0 {
			err = errors.New("nothing is written yet")
		}
		return err
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if err := r.Fetch(name, filepath.Join(t.TempDir(), "x")); !errors.Is(err, ErrNotArchived) {
		t.Fatalf("half a file counts: %v", err)
	}
	mustArchive(t, r, path)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what the killed one has left is still there: %v", err)
	}
}

func TestArchive_FullDiskSaysWhatToDo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=0755"); err != nil {
		t.Skipf("a small disk cannot be mounted, which only root may: %v", err)
	}
	t.Cleanup(func() { testkit.Eventually(t, time.Minute, func() error { return syscall.Unmount(dir, 0) }) })
	r := &Repository{dir: dir}
	if err := r.makeDir(r.walDir()); err != nil {
		t.Fatal(err)
	}
	path, _ := writeSegment(t, "000000010000000000000003", testSystem, 1)
	wantError(t, r.Archive(path), syscall.ENOSPC, dir+" has no room", "pg_wal grows", "--keep")
	if files, err := r.walFiles(); err != nil || len(files) > 0 {
		t.Errorf("%v, %v is there", files, err)
	}
}

// Whatever bit of an archived file is wrong, it is not handed out, and its name is said.
func TestFetch_DamagedFile(t *testing.T) {
	r := newRepository(t)
	path, _ := writeSegment(t, "000000010000000000000003", testSystem, 1)
	kept := mustArchive(t, r, path)
	whole, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "x")
	rapid.Check(t, func(t *rapid.T) {
		damaged := bytes.Clone(whole)
		if rapid.Bool().Draw(t, "cut") {
			damaged = damaged[:rapid.IntRange(0, len(whole)-1).Draw(t, "length")]
		} else {
			damaged[rapid.IntRange(0, len(whole)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
		if err := os.WriteFile(kept, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		err := r.Fetch("000000010000000000000003", target)
		// Some bits of the format mean nothing: then the content is whole.
		if err != nil && (!errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), kept)) {
			t.Fatalf("got %v", err)
		}
		got, readErr := os.ReadFile(target)
		want, _ := os.ReadFile(path)
		if err == nil && !bytes.Equal(got, want) || err != nil && readErr == nil {
			t.Fatalf("a damaged content was handed out (%v)", err)
		}
	})
}

func TestFetch_TheEndOfTheLogIsNotAnError(t *testing.T) {
	r := newRepository(t)
	path, _ := writeSegment(t, "000000010000000000000003", testSystem, 1)
	mustArchive(t, r, path)
	wantError(t, r.Fetch("000000010000000000000004", filepath.Join(t.TempDir(), "x")), ErrNotArchived)
	// What cannot be read is no end.
	if err := os.Rename(r.folderOf(filepath.Base(path)), r.folderOf(filepath.Base(path))+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.folderOf(filepath.Base(path)), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Fetch(filepath.Base(path), filepath.Join(t.TempDir(), "x")); err == nil || errors.Is(err, ErrNotArchived) {
		t.Fatalf("got %v", err)
	}
}

func TestSegment_NamesAreThoseOfPostgreSQL(t *testing.T) {
	for _, c := range []struct {
		name   string
		size   int64
		number uint64
	}{{"000000010000000000000003", 16 << 20, 3}, {"0000000A00000001000000FF", 16 << 20, 511}, {"000000010000000200000003", 1 << 30, 11}} {
		s, ok := segmentOf(c.name, c.size)
		if !ok || s.number != c.number || s.name(c.size) != c.name {
			t.Errorf("%s is read as %+v (%v), which is %s", c.name, s, ok, s.name(c.size))
		}
	}
}

func TestOpen_RefusesWhatIsNoRepository(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(dir)
	wantError(t, err, ErrNoRepository, dir)
	if err := os.WriteFile(filepath.Join(dir, "diary.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = OpenOrCreate(dir)
	wantError(t, err, ErrNoRepository, "diary.txt")
	if err := os.WriteFile(filepath.Join(dir, identityFile), []byte(`{"version": 9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir)
	wantError(t, err, nil, "version 9")
}
