package simulation

import (
	"errors"
	"io/fs"
	"slices"
	"sync"
)

// errLocked: another process has the disk.
var errLocked = errors.New("another process has the disk")

// disk is what a node keeps over restarts. It is written as a whole or not at all.
type disk struct {
	mu     sync.Mutex
	view   []byte
	before string // the instance of the last process that was a member
	holder *mount
}

// mount is the disk in the hands of one process: follower.Disk.
type mount struct {
	disk   *disk
	ep     *endpoint
	before string
}

func (m *mount) Load() ([]byte, error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if m.disk.view == nil {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(m.disk.view), nil
}

// Save writes nothing for a process that was killed.
func (m *mount) Save(view []byte) error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if m.ep.ended() {
		return errDead
	}
	m.disk.view = slices.Clone(view)
	return nil
}

func (m *mount) SetAside() error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if m.disk.view == nil {
		return fs.ErrNotExist
	}
	m.disk.view = nil
	return nil
}

func (m *mount) Take() error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if h := m.disk.holder; h != nil && !h.ep.ended() {
		return errLocked
	}
	m.disk.holder, m.before = m, m.disk.before
	return nil
}

func (m *mount) Before() string { return m.before }

// Keep keeps nothing for a process that has not taken the disk.
func (m *mount) Keep(instance string) error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if m.ep.ended() {
		return errDead
	}
	if m.disk.holder == m {
		m.disk.before = instance
	}
	return nil
}

func (m *mount) Release() {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if m.disk.holder == m {
		m.disk.holder = nil
	}
}

// wipe loses the disk.
func (d *disk) wipe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.view, d.before = nil, ""
}
