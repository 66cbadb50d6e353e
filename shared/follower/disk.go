package follower

import (
	"errors"
	"os"
	"path/filepath"
)

// badSuffix is what the name of a state file that cannot be read gets.
const badSuffix = ".damaged"

// stateFile is a Disk in two files: the view, and beside it the lineage.
type stateFile struct {
	path    string
	lineage *lineage // nil: the process before is not known
}

func (d *stateFile) Load() ([]byte, error)  { return os.ReadFile(d.path) }
func (d *stateFile) Save(view []byte) error { return replaceFile(d.path, view) }
func (d *stateFile) SetAside() error        { return os.Rename(d.path, d.path+badSuffix) }

func (d *stateFile) Take() (err error) {
	d.lineage, err = openLineage(d.path)
	return err
}

func (d *stateFile) Before() string             { return d.lineage.predecessor() }
func (d *stateFile) Keep(instance string) error { return d.lineage.keep(instance) }
func (d *stateFile) Release()                   { d.lineage.close() }

// replaceFile puts a file in the place of another in one step, so that a crash leaves the old one or the new
// one. Its mode is 0600: it has the hashes of tokens.
func replaceFile(path string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename last.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
