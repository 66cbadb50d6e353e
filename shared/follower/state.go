package follower

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tiercache/shared/controllog"
)

const (
	// saveInterval is how often the state file is written at most.
	saveInterval = time.Second
	// saveShare bounds the share of the time that writing takes, when the file is large or the disk slow.
	saveShare = 10

	badSuffix = ".damaged"
)

// saved is the outcome of one write of the state file.
type saved struct {
	applied uint64
	took    time.Duration
	err     error
}

// load takes the view from the state file. A file that cannot be read is set aside, and the node starts as if
// there were none.
func (l *loop) load() {
	f := l.f
	if f.cfg.StateFile == "" {
		return
	}
	err := f.load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		f.stats.StateErrors.Add(1)
		f.log.Error("state file not used", "error", err)
		if errors.Is(err, controllog.ErrCorrupt) || errors.Is(err, controllog.ErrVersion) {
			if err := os.Rename(f.cfg.StateFile, f.cfg.StateFile+badSuffix); err != nil {
				f.log.Error("state file not set aside", "error", err)
			}
		}
	default:
		l.loaded, l.written, l.target = true, f.Applied(), f.Applied()
		f.history.Note(f.now(), f.Applied())
		f.horizon.reset(time.Now(), f.Applied())
		f.log.Info("state file read", "file", f.cfg.StateFile, "applied", f.Applied())
	}
}

func (f *Follower) load() error {
	b, err := os.ReadFile(f.cfg.StateFile)
	if err != nil {
		return fmt.Errorf("state_file: %w", err)
	}
	image, err := controllog.DecodeImage(b)
	if err != nil {
		return fmt.Errorf("state_file %s: %w", f.cfg.StateFile, err)
	}
	return f.replica.Restore(image)
}

// wantsSave reports whether the file is older than the view.
func (l *loop) wantsSave() bool {
	return l.f.cfg.StateFile != "" && !l.saving && l.written != l.f.Applied()
}

// save starts writing the file.
func (l *loop) save() {
	l.saving = true
	l.exchanges.Go(func() { l.saved <- l.f.write() })
}

// wrote takes the outcome.
func (l *loop) wrote(s saved) {
	l.saving = false
	l.saveAt = time.Now().Add(max(saveInterval, saveShare*s.took))
	if s.err != nil {
		l.f.stats.StateErrors.Add(1)
		l.f.log.Error("state file not written", "error", s.err)
		return
	}
	l.written = s.applied
}

func (f *Follower) write() (s saved) {
	began := time.Now()
	defer func() { s.took = time.Since(began) }()
	image := f.replica.Image()
	s.applied = image.Applied()
	b, err := image.AppendBinary(nil)
	if err == nil {
		err = replaceFile(f.cfg.StateFile, b)
	}
	if err != nil {
		s.err = fmt.Errorf("state_file: %w", err)
	}
	return s
}

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
