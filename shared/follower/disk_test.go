package follower_test

import (
	"os"
	"path/filepath"
	"testing"

	"tiercache/shared/follower"
	"tiercache/shared/follower/disktest"
)

// machine has the files of a node in a folder.
type machine struct {
	t      *testing.T
	folder string
}

func (m *machine) Start() follower.Disk {
	d := follower.NewStateFile(filepath.Join(m.folder, "control.state"))
	m.t.Cleanup(d.Release)
	return d
}

// Kill closes the files, as the kernel does with those of a process.
func (m *machine) Kill(d follower.Disk) { d.Release() }

func (m *machine) Wipe() error {
	if err := os.RemoveAll(m.folder); err != nil {
		return err
	}
	return os.Mkdir(m.folder, 0o700)
}

func TestStateFile_Contract(t *testing.T) {
	disktest.Run(t, func(t *testing.T) disktest.Machine { return &machine{t, t.TempDir()} })
}
