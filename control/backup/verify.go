package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Verified is a base backup and the WAL behind it.
type Verified struct {
	*Entry
	Reach *Reach `json:"reach"`
}

// Reaches is the catalogue, oldest first, with how far the archive goes from each. Nothing is read but names.
func (r *Repository) Reaches() ([]Verified, error) {
	entries, err := r.List()
	if err != nil {
		return nil, err
	}
	list := make([]Verified, len(entries))
	for i, e := range entries {
		reach, err := r.reach(e, 0)
		if err != nil {
			return nil, err
		}
		list[i] = Verified{e, reach}
	}
	return list, nil
}

// Verify reads a base backup, all of it, and the WAL from it on, and compares with what was written. An empty id is all
// backups. Errors: ErrDamaged, which names each file; ErrNoBackup, ErrBusy.
func (r *Repository) Verify(ctx context.Context, id string, say func(string, ...any)) (list []Verified, err error) {
	unlock, err := r.lock(lockFile, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	entries, err := r.chosen(id)
	if err != nil {
		return nil, err
	}
	var wrong []error
	checked := make(map[string]bool)
	for _, e := range entries {
		say("backup %s", e.ID)
		wrong = append(wrong, r.verifyBase(ctx, e, say))
		reach, err := r.reach(e, 0)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if len(reach.Missing) > 0 {
			wrong = append(wrong, missing(e, reach))
		}
		wrong = append(wrong, unchecked(reach, checked).checkDigests(ctx, say))
		list = append(list, Verified{e, reach})
	}
	return list, errors.Join(wrong...)
}

func (r *Repository) chosen(id string) ([]*Entry, error) {
	if id != "" {
		e, err := r.entry(id)
		return []*Entry{e}, err
	}
	entries, err := r.List()
	if err == nil && len(entries) == 0 {
		err = fmt.Errorf("%w in %s: make one with `tiercache control backup`", ErrNoBackup, r.dir)
	}
	return entries, err
}

// unchecked is what several backups have in common, once.
func unchecked(reach *Reach, checked map[string]bool) *Reach {
	rest := &Reach{}
	for _, f := range reach.files {
		if !checked[f.path] {
			checked[f.path] = true
			rest.files = append(rest.files, f)
		}
	}
	return rest
}

func (r *Repository) verifyBase(ctx context.Context, e *Entry, say func(string, ...any)) error {
	path := filepath.Join(r.data(e.ID), "backup_manifest")
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if digest(content) != e.Manifest {
		return fmt.Errorf("%w: %s is not the one that the catalogue has the digest of", ErrDamaged, path)
	}
	return r.checkManifest(ctx, e.PostgreSQL, r.data(e.ID), say)
}

// missing says what a gap means.
func missing(e *Entry, reach *Reach) error {
	return fmt.Errorf("%w: between backup %s and %s the archive lacks %d segments, the first is %s: what was committed from there on cannot be restored from this backup. Make a new base backup at once",
		ErrDamaged, e.ID, reach.Last, len(reach.Missing), reach.Missing[0])
}
