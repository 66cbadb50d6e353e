package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// clearParts removes what an earlier process has left half done. The caller has the lock.
func (r *Repository) clearParts() error {
	parts, err := filepath.Glob(filepath.Join(r.backupsDir(), "*"+partSuffix))
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := os.RemoveAll(p); err != nil {
			return fmt.Errorf("remove what is left of an earlier backup: %w", err)
		}
	}
	return nil
}

// prune removes all base backups but the newest, and the WAL that none of them needs. Histories of timelines stay.
func (r *Repository) prune(keep int) (removed []string, files int, err error) {
	list, err := r.List()
	if err != nil || keep <= 0 || len(list) == 0 {
		return nil, 0, err
	}
	kept := list[max(0, len(list)-keep):]
	for _, e := range list[:len(list)-len(kept)] {
		part := r.folder(e.ID) + partSuffix
		if err := errors.Join(os.Rename(r.folder(e.ID), part), os.RemoveAll(part)); err != nil {
			return removed, 0, fmt.Errorf("remove backup %s: %w", e.ID, err)
		}
		removed = append(removed, e.ID)
	}
	oldest := kept[0].Start.segment(r.of.SegmentSize)
	for _, e := range kept {
		oldest = min(oldest, e.Start.segment(r.of.SegmentSize))
	}
	files, err = r.pruneWAL(oldest)
	return removed, files, err
}

// pruneWAL removes the segments, of any timeline, that lie before one.
func (r *Repository) pruneWAL(oldest uint64) (removed int, err error) {
	files, err := r.walFiles()
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		if len(f.name) < 24 {
			continue
		}
		if s, ok := segmentOf(f.name[:24], r.of.SegmentSize); !ok || s.number >= oldest {
			continue
		}
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, fmt.Errorf("remove WAL: %w", err)
		}
		removed++
		_ = os.Remove(filepath.Dir(f.path)) // the last one's folder
	}
	return removed, nil
}
