package backup

import (
	"errors"
	"fmt"
	"time"
)

// Target is where a restore ends. Its zero value is the end of the archive.
type Target struct {
	// Time: all that was committed by then, and nothing that was committed later.
	Time time.Time
	// Epoch: the log of the fleet ends with this entry, or a little behind it where one transaction has numbered several.
	Epoch uint64
}

// String is a target for people.
func (t Target) String() string {
	switch {
	case !t.Time.IsZero():
		return "what was committed by " + t.Time.UTC().Format("2006-01-02 15:04:05.000 UTC")
	case t.Epoch != 0:
		return fmt.Sprintf("epoch %d", t.Epoch)
	}
	return "the end of the archive"
}

// errTarget says what a target may be.
var errTarget = errors.New("use latest, or a time with its zone such as 2026-11-30T17:38:00Z or 2026-11-30T18:38:00.5+01:00")

// ParseTarget reads a time with its zone, or latest.
func ParseTarget(text string) (Target, error) {
	if text == "latest" {
		return Target{}, nil
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04Z07:00", "2006-01-02 15:04:05 UTC"} {
		if at, err := time.Parse(form, text); err == nil {
			return Target{Time: at}, nil
		}
	}
	return Target{}, fmt.Errorf("%q: %w", text, errTarget)
}

// choose picks the base backup to begin with: the one that is named, else the newest that is over before the target.
func (r *Repository) choose(id string, target Target) (*Entry, error) {
	if id != "" {
		e, err := r.entry(id)
		if err == nil && !e.before(target) {
			err = fmt.Errorf("backup %s was over at %s with epoch %d: it cannot be taken back to %v. Choose an older one", e.ID, e.Finished.Format(time.RFC3339), e.Head, target)
		}
		return e, err
	}
	list, err := r.List()
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNoBackup, r.dir)
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].before(target) {
			return list[i], nil
		}
	}
	return nil, fmt.Errorf("%w reaches back to %v: the oldest was over at %s with epoch %d", ErrNoBackup, target, list[0].Finished.Format(time.RFC3339), list[0].Head)
}

// before reports whether a restore to the target can begin with the backup.
func (e *Entry) before(target Target) bool {
	switch {
	case !target.Time.IsZero():
		return !e.Finished.After(target.Time)
	case target.Epoch != 0:
		return e.Head < target.Epoch
	}
	return true
}
