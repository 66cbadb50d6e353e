package platform

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrLocked is wrapped when another process uses the data folder.
var ErrLocked = errors.New("data folder is in use")

// DirLock keeps a data folder for one process. The kernel drops it when that process ends, however it does.
type DirLock struct {
	file *os.File
	// Crashed says that the process before this one did not release its lock: its children may need a
	// moment to be gone.
	Crashed bool
}

// LockDir takes the lock on dir, which must exist. ErrLocked names the process that has it.
func LockDir(dir string) (*DirLock, error) {
	path := filepath.Join(dir, "up.lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w: choose another with --data-dir", err)
	}
	lock, err := lockFile(file, dir)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return lock, nil
}

func lockFile(file *os.File, dir string) (*DirLock, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	before, readErr := io.ReadAll(io.LimitReader(file, 64))
	owner := strings.TrimSpace(string(before))
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w: %s is used by process %s: stop it, or choose another folder with --data-dir", ErrLocked, dir, owner)
	}
	if err = errors.Join(err, readErr); err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := rewrite(file, strconv.Itoa(os.Getpid())+"\n"); err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	return &DirLock{file: file, Crashed: owner != ""}, nil
}

// Release gives the folder back.
func (l *DirLock) Release() error {
	return errors.Join(rewrite(l.file, ""), l.file.Close())
}

func rewrite(file *os.File, content string) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(content), 0)
	return err
}
