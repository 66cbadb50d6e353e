package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"tiercache/shared/platform"
)

// Errors of repositories.
var (
	// ErrNoRepository: the folder is none.
	ErrNoRepository = errors.New("it is no repository of backups")
	// ErrOtherCluster: what is to be kept is of another database cluster than what is there.
	ErrOtherCluster = errors.New("the repository is of another database cluster")
	// ErrDamaged: a file of the repository is not what was put there.
	ErrDamaged = errors.New("damaged")
	// ErrBusy: another process makes, removes or checks backups there.
	ErrBusy = errors.New("another process is at work in the repository")
)

// Repository is a folder with base backups, in backups/ID, and an archive of the WAL, in wal, of one database cluster.
// When this process is root, all of it belongs to the account that PostgreSQL runs as, which archives.
type Repository struct {
	dir   string
	owner *platform.Account // nil: this process
	of    identity          // its zero value: nothing is kept yet
}

// identity is what repository.json says.
type identity struct {
	Version     int       `json:"version"`
	System      uint64    `json:"system_identifier,string"`
	SegmentSize int64     `json:"segment_size"`
	Created     time.Time `json:"created"`
}

const (
	repositoryVersion = 1
	identityFile      = "repository.json"
)

// Open opens a repository that is there. Errors: ErrNoRepository.
func Open(dir string) (*Repository, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("repository: %w", err)
	}
	r := &Repository{dir: dir, owner: platform.OwnerOf(dir)}
	content, err := os.ReadFile(filepath.Join(dir, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: it has no %s. Name the folder that `tiercache control backup` has written to", dir, ErrNoRepository, identityFile)
	}
	if err != nil {
		return nil, fmt.Errorf("repository: %w", err)
	}
	if err := json.Unmarshal(content, &r.of); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, filepath.Join(dir, identityFile), err)
	}
	if r.of.Version != repositoryVersion {
		return nil, fmt.Errorf("%s: version %d is not one that this program reads (%d): use the release that wrote it, or a newer one", dir, r.of.Version, repositoryVersion)
	}
	return r, nil
}

// OpenOrCreate is Open for who writes: a folder that is empty or not there becomes a repository with the first thing that
// is kept in it. Errors: ErrNoRepository for a folder with other things in it.
func OpenOrCreate(dir string) (*Repository, error) {
	r, err := Open(dir)
	if !errors.Is(err, ErrNoRepository) {
		return r, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("repository: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the repository: %w", noRoom(dir, err))
	}
	r = &Repository{dir: dir, owner: platform.OwnerOf(dir)}
	if r.owner == nil {
		if r.owner, err = platform.ServerAccount(); err != nil {
			return nil, err
		}
	}
	if err := r.checkEmpty(); err != nil {
		return nil, err
	}
	return r, r.prepare()
}

// checkEmpty refuses a folder that somebody uses for something else.
func (r *Repository) checkEmpty() error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return fmt.Errorf("repository: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "wal" && e.Name() != "backups" && e.Name() != lockFile && e.Name() != identityFile+".new" {
			return fmt.Errorf("%s: %w, and not empty (%s): name an empty folder, or one that is not there yet", r.dir, ErrNoRepository, e.Name())
		}
	}
	return nil
}

func (r *Repository) prepare() error {
	if err := r.owner.Own(r.dir); err != nil {
		return fmt.Errorf("repository: %w", err)
	}
	if ok, err := r.owner.MayEnter(r.dir); err != nil || !ok {
		return errors.Join(err, fmt.Errorf("account %s, which PostgreSQL runs as, may not enter %s: name a folder that it may enter", r.owner.Name, r.dir))
	}
	for _, dir := range []string{r.walDir(), r.backupsDir()} {
		if err := r.makeDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// Dir is the folder.
func (r *Repository) Dir() string { return r.dir }

func (r *Repository) walDir() string     { return filepath.Join(r.dir, "wal") }
func (r *Repository) backupsDir() string { return filepath.Join(r.dir, "backups") }

// adopt makes the repository that of a cluster; one of another refuses. Errors: ErrOtherCluster.
func (r *Repository) adopt(system uint64, segmentSize int64) error {
	if r.of.System == system && r.of.SegmentSize == segmentSize {
		return nil
	}
	if r.of.Version != 0 {
		return fmt.Errorf("%w: %s keeps system identifier %d, and this is %d: give each cluster a repository of its own", ErrOtherCluster, r.dir, r.of.System, system)
	}
	of := identity{Version: repositoryVersion, System: system, SegmentSize: segmentSize, Created: time.Now().UTC().Truncate(time.Second)}
	content, err := json.MarshalIndent(of, "", "  ")
	if err != nil {
		return err
	}
	if err := r.writeFile(filepath.Join(r.dir, identityFile), append(content, '\n')); err != nil {
		return err
	}
	r.of = of
	return nil
}

// makeDir makes a folder of the repository, unless it is there, and sees to it that it stays.
func (r *Repository) makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("repository: %w", noRoom(r.dir, err))
	}
	if err := r.owner.Own(dir); err != nil {
		return fmt.Errorf("repository: %w", err)
	}
	return syncDir(filepath.Dir(dir))
}

// writeFile replaces a small file as a whole; it is on the disk afterwards.
func (r *Repository) writeFile(path string, content []byte) error {
	f, err := r.create(path + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return r.settle(f, path, err)
}

// create opens a new file for writing.
func (r *Repository) create(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("repository: %w", noRoom(r.dir, err))
	}
	if err := r.owner.Own(path); err != nil {
		return nil, errors.Join(fmt.Errorf("repository: %w", err), f.Close())
	}
	return f, nil
}

// settle gives a file that was written its name. err is what has gone wrong with it so far: then it is removed.
//
// INVARIANT: the content is on the disk before the name is, and the name before anybody is told.
func (r *Repository) settle(f *os.File, path string, err error) error {
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("repository: %w", noRoom(r.dir, err)), os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// noRoom says what a full disk means.
func noRoom(dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %s has no room. PostgreSQL keeps what is not archived and tries again, so its own folder pg_wal grows until then: make room, or keep fewer backups (--keep)", err, dir)
	}
	return err
}

const (
	lockFile    = "work.lock"
	archiveLock = "archive.lock"
)

// lock keeps others from the same kind of work, here and on no other machine. Without wait it is ErrBusy if somebody else
// is at it. The kernel drops it when the process ends.
func (r *Repository) lock(name string, wait bool) (unlock func() error, err error) {
	path := filepath.Join(r.dir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("repository: %w", noRoom(r.dir, err))
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	err = syscall.Flock(int(f.Fd()), how)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		pid := make([]byte, 16)
		n, _ := f.Read(pid) // says nothing if it cannot be read
		return nil, errors.Join(fmt.Errorf("%w (%s, pid %s): try again when it is done", ErrBusy, r.dir, pid[:n]), f.Close())
	}
	if err == nil {
		err = errors.Join(r.owner.Own(path), f.Truncate(0))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("repository: lock: %w", err), f.Close())
	}
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0) // for people
	return f.Close, nil
}
