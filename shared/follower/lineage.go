package follower

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"syscall"

	"tiercache/shared/bus"
)

const (
	// lineageSuffix is what the file's name has behind that of the state file.
	lineageSuffix = ".process"
	// bootFile has a text that each start of the kernel draws anew.
	bootFile = "/proc/sys/kernel/random/boot_id"
	// maxLineage bounds the file, in bytes.
	maxLineage = 512
)

// lineage is a file beside the state file by which a process knows the one before it, and that it has ended, so that it
// need not wait for the leases of that one.
//
// INVARIANT: only a process that has ended is named. The file is locked as long as its process lives; what it says
// counts only under the lock, and only if it was written to this very file under this start of the kernel. So a copy
// names nobody, on this machine or another one, while the process of the original lives.
type lineage struct {
	file   *os.File // locked; nil: there is none
	place  string   // the start of the kernel, and the file
	before string   // the instance of the process before, if that is known to have ended
}

// openLineage locks the file beside that state file. Where it is locked by another process, or cannot be, it names
// nobody, and keeps nothing.
func openLineage(stateFile string) (*lineage, error) {
	boot, err := os.ReadFile(bootFile)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(stateFile+lineageSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	g := &lineage{file: file}
	if err := g.take(string(bytes.TrimSpace(boot))); err != nil {
		_ = file.Close() // nothing was written
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return g, nil
}

// take locks the file and reads it.
func (g *lineage) take(boot string) error {
	if err := syscall.Flock(int(g.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return err
	}
	var at syscall.Stat_t
	if err := syscall.Fstat(int(g.file.Fd()), &at); err != nil {
		return err
	}
	g.place = fmt.Sprintf("%s %d:%d", boot, at.Dev, at.Ino)
	content := make([]byte, maxLineage)
	n, _ := g.file.ReadAt(content, 0) // shorter than that, or unreadable and then empty
	place, instance, whole := strings.Cut(strings.TrimSuffix(string(content[:n]), "\n"), "\n")
	if whole && place == g.place && boot != "" && len(instance) == hex.EncodedLen(instanceSize) && bus.ValidName(instance) == nil {
		g.before = instance
	}
	return nil
}

// keep notes that the process with that instance is the member now.
func (g *lineage) keep(instance string) error {
	if g == nil {
		return nil
	}
	if err := g.file.Truncate(0); err != nil {
		return err
	}
	_, err := g.file.WriteAt([]byte(g.place+"\n"+instance+"\n"), 0)
	return err
}

// close gives the file to the next process.
//
// INVARIANT: this one holds no lease any more.
func (g *lineage) close() {
	if g != nil {
		_ = g.file.Close() // its content need not outlive the kernel
	}
}

// predecessor is the instance of the process before, empty if it is not known.
func (g *lineage) predecessor() string {
	if g == nil {
		return ""
	}
	return g.before
}
