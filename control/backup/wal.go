package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// archived is a file of the archive.
type archived struct {
	name string
	path string
	size int64 // compressed
	at   time.Time
}

// Reach is how far the archive goes from a base backup.
type Reach struct {
	Timeline uint32    `json:"timeline"`    // that it is followed to
	Segments int       `json:"segments"`    // from the base backup on
	Bytes    int64     `json:"bytes"`       // of them, compressed
	Last     string    `json:"last"`        // the newest segment; "" if there is none
	At       time.Time `json:"archived_at"` // of that one
	// Missing are segments that are not there although later ones are: what was committed behind the first of them
	// cannot be restored.
	Missing []string `json:"missing,omitempty"`

	files []archived
}

// After is how many segments there are behind one, by its name.
func (out *Reach) After(name string) (n int) {
	for _, f := range out.files {
		if f.name > name {
			n++
		}
	}
	return n
}

// walFiles are the files of the archive, by name: segments, notes and histories.
func (r *Repository) walFiles() (files []archived, err error) {
	dirs, err := os.ReadDir(r.walDir())
	if err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	list := []string{r.walDir()}
	for _, d := range dirs {
		if d.IsDir() {
			list = append(list, filepath.Join(r.walDir(), d.Name()))
		}
	}
	for _, dir := range list {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("read the archive: %w", err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if name := nameOf(e.Name()); name != "" && err == nil { // else it was removed meanwhile
				files = append(files, archived{name, filepath.Join(dir, e.Name()), info.Size(), info.ModTime()})
			}
		}
	}
	slices.SortFunc(files, func(a, b archived) int { return compare(a.name, b.name) })
	return files, nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// histories are the timelines that the archive has a history of.
func histories(files []archived) (list []uint32) {
	for _, f := range files {
		if len(f.name) == len("00000002.history") {
			if t, err := strconv.ParseUint(f.name[:8], 16, 32); err == nil {
				list = append(list, uint32(t))
			}
		}
	}
	return list
}

// reach follows the archive from a base backup to a timeline, 0 for the newest that leads back to it.
func (r *Repository) reach(e *Entry, timeline uint32) (*Reach, error) {
	files, err := r.walFiles()
	if err != nil {
		return nil, err
	}
	if timeline == 0 {
		if timeline, err = r.timelineFrom(e, histories(files)); err != nil {
			return nil, err
		}
	}
	line, err := r.history(timeline)
	if err != nil {
		return nil, err
	}
	if timeline != e.Timeline && !leads(line, e) {
		return nil, fmt.Errorf("timeline %d does not go back to backup %s, which is of timeline %d and ends at %v: choose another backup or another timeline", timeline, e.ID, e.Timeline, e.End)
	}
	size := r.of.SegmentSize
	present := make(map[segment]archived, len(files))
	newest := make(map[uint32]uint64)
	for _, f := range files {
		if s, ok := segmentOf(f.name, size); ok {
			present[s] = f
			newest[s.timeline] = max(newest[s.timeline], s.number)
		}
	}
	out := &Reach{Timeline: timeline}
	at := e.Start.segment(size)
	for _, a := range line {
		if a.timeline >= e.Timeline {
			// The segment in which a timeline ends is whole on the next one.
			at = out.follow(present, a.timeline, at, a.end.segment(size), size)
		}
	}
	out.follow(present, timeline, at, newest[timeline]+1, size)
	return out, nil
}

// follow adds the segments of a timeline up to, and without, end. It returns where it ends.
func (out *Reach) follow(present map[segment]archived, timeline uint32, at, end uint64, size int64) uint64 {
	for ; at < end; at++ {
		s := segment{timeline, at}
		f, ok := present[s]
		if !ok {
			out.Missing = append(out.Missing, s.name(size))
			continue
		}
		out.files = append(out.files, f)
		out.Segments++
		out.Bytes += f.size
		out.Last, out.At = f.name, f.at
	}
	return at
}

// checkDigests reads all of what is reached. Errors: ErrDamaged, all of them.
func (out *Reach) checkDigests(ctx context.Context, say func(string, ...any)) error {
	var damaged []error
	for i, f := range out.files {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := unpack(io.Discard, f.path); err != nil {
			damaged = append(damaged, err)
		}
		say("WAL: %d of %d segments checked", i+1, len(out.files))
	}
	return errors.Join(damaged...)
}
