package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// ErrNoBackup: the repository has no base backup that fits.
var ErrNoBackup = errors.New("no base backup")

// Entry is what the catalogue knows of a base backup: backup.json beside its data.
type Entry struct {
	ID       string    `json:"id"`
	Started  time.Time `json:"started_at"`
	Finished time.Time `json:"finished_at"` // by the database's clock; it can be restored to this moment or a later one

	System     uint64 `json:"system_identifier,string"`
	PostgreSQL string `json:"postgresql"` // major version
	Timeline   uint32 `json:"timeline"`
	Start      LSN    `json:"start_lsn"`
	End        LSN    `json:"end_lsn"`

	// Database and Role are those that it was made with, and by which what is restored is checked.
	Database string `json:"database"`
	Role     string `json:"role"`
	// Head is the last epoch of the control log when the backup was over, and HeadTime its time; 0 if there is no log.
	Head     uint64    `json:"head_epoch"`
	HeadTime time.Time `json:"head_time"`

	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"`
	Manifest string `json:"manifest_sha256"`
	Made     string `json:"made_by"` // this program's version
}

const entryFile = "backup.json"

func (r *Repository) folder(id string) string { return filepath.Join(r.backupsDir(), id) }
func (r *Repository) data(id string) string   { return filepath.Join(r.folder(id), "data") }

// partSuffix marks what is not whole: a backup that is being made or removed.
const partSuffix = ".part"

// List is the catalogue, oldest first.
func (r *Repository) List() ([]*Entry, error) {
	folders, err := os.ReadDir(r.backupsDir())
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	var list []*Entry
	for _, f := range folders {
		if filepath.Ext(f.Name()) == partSuffix {
			continue
		}
		e, err := r.entry(f.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *Entry) int { return a.Finished.Compare(b.Finished) })
	return list, nil
}

func (r *Repository) entry(id string) (*Entry, error) {
	path := filepath.Join(r.folder(id), entryFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w named %s in %s: `tiercache control backup ls` lists them", ErrNoBackup, id, r.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	e := new(Entry)
	if err := json.Unmarshal(content, e); err != nil || e.ID != id || e.Timeline == 0 {
		return nil, errors.Join(fmt.Errorf("%w: %s is no entry of the catalogue", ErrDamaged, path), err)
	}
	return e, nil
}

// manifest is what is read of pg_basebackup's backup_manifest.
type manifest struct {
	Files []struct {
		Size int64
	}
	Ranges []struct {
		Timeline uint32
		Start    LSN `json:"Start-LSN"`
		End      LSN `json:"End-LSN"`
	} `json:"WAL-Ranges"`
}

// describe fills in what the manifest says.
func (e *Entry) describe(content []byte) error {
	var m manifest
	if err := json.Unmarshal(content, &m); err != nil || len(m.Ranges) == 0 {
		return errors.Join(errors.New("pg_basebackup has left no manifest that can be read"), err)
	}
	last := m.Ranges[len(m.Ranges)-1]
	e.Timeline, e.Start, e.End = last.Timeline, m.Ranges[0].Start, last.End
	e.Files = len(m.Files)
	for _, f := range m.Files {
		e.Bytes += f.Size
	}
	e.Manifest = digest(content)
	return nil
}
