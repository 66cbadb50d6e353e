package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// predecessorTimeout bounds the wait for an earlier server on the same data, whose parent has just died.
const predecessorTimeout = 10 * time.Second

// postmasterLock is what a running server says of itself in postmaster.pid.
type postmasterLock struct {
	pid   int
	state string // starting, ready, standby, stopping
}

// readLock reads postmaster.pid: the first line is the process id, the eighth the state.
func (p *Postgres) readLock() (postmasterLock, error) {
	content, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return postmasterLock{}, err
	}
	lines := strings.Split(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return postmasterLock{}, fmt.Errorf("read postmaster.pid: %w", err)
	}
	lock := postmasterLock{pid: pid, state: "starting"}
	if len(lines) > 7 {
		lock.state = strings.TrimSpace(lines[7])
	}
	return lock, nil
}

// awaitPredecessor waits while a server still runs on our data: one whose parent was killed needs a
// moment to end. A lock file whose process is gone is PostgreSQL's to clear.
func (p *Postgres) awaitPredecessor(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, predecessorTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		lock, err := p.readLock()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !p.servedBy(lock.pid) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another PostgreSQL (pid %d) runs on %s: stop it first", lock.pid, p.data())
		case <-ticker.C:
		}
	}
}

// servedBy says whether process pid works in our data folder, as a server does from its start on. The id
// alone proves nothing: after a reboot another program may have it. Where the kernel does not tell
// (root without CAP_SYS_PTRACE), a living program of that name counts.
func (p *Postgres) servedBy(pid int) bool {
	name, living := programOf("/proc", pid)
	if !living {
		return false
	}
	dir, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "cwd"))
	if errors.Is(err, fs.ErrPermission) {
		return name == "postgres"
	}
	own, ownErr := filepath.EvalSymlinks(p.data())
	return err == nil && ownErr == nil && dir == own
}
