package follower

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"tiercache/shared/controllog"
)

const (
	// saveInterval is how often the state file is written at most.
	saveInterval = time.Second
	// saveShare bounds the share of the time that writing takes, when the file is large or the disk slow.
	saveShare = 10
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
	if f.disk == nil {
		return
	}
	err := f.load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		f.stats.StateErrors.Add(1)
		f.log.Error("state file not used", "error", err)
		if errors.Is(err, controllog.ErrCorrupt) || errors.Is(err, controllog.ErrVersion) {
			if err := f.disk.SetAside(); err != nil {
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
	b, err := f.disk.Load()
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
	return l.f.disk != nil && !l.saving && l.written != l.f.Applied()
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
		err = f.disk.Save(b)
	}
	if err != nil {
		s.err = fmt.Errorf("state_file: %w", err)
	}
	return s
}
