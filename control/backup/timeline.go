package backup

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// maxHistory bounds a history that is read; a line of it is one restore or failover.
const maxHistory = 1 << 20

// ancestor is a timeline that another one goes back to, and where it ended for it.
type ancestor struct {
	timeline uint32
	end      LSN
}

// history reads which timelines lead to one, oldest first. The first timeline of a cluster has no history, and neither has
// one whose history was never archived: its cluster archives from there on. Errors: ErrDamaged.
func (r *Repository) history(timeline uint32) ([]ancestor, error) {
	if timeline <= 1 {
		return nil, nil
	}
	kept, err := r.find(fmt.Sprintf("%08X.history", timeline))
	if errors.Is(err, ErrNotArchived) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var content history
	if err := unpack(&content, kept); err != nil {
		return nil, err
	}
	list, err := parseHistory(content.String())
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, kept, err)
	}
	return list, nil
}

// history is the text of one.
type history struct{ bytes.Buffer }

// Write implements io.Writer.
func (h *history) Write(b []byte) (int, error) {
	if h.Len()+len(b) > maxHistory {
		return 0, fmt.Errorf("%w: a history of a timeline is longer than %d bytes", ErrDamaged, maxHistory)
	}
	return h.Buffer.Write(b)
}

// parseHistory reads lines such as "1	0/5000060	before 2026-11-30 17:00:00+00".
func parseHistory(text string) (list []ancestor, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		var a ancestor
		if len(fields) < 2 {
			return nil, fmt.Errorf("line %q", line)
		}
		if _, err := fmt.Sscanf(fields[0], "%d", &a.timeline); err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		if err := a.end.UnmarshalText([]byte(fields[1])); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// timelineFrom is the newest timeline of the archive that goes back to where a base backup ends; the backup's own if
// there is none.
func (r *Repository) timelineFrom(e *Entry, histories []uint32) (uint32, error) {
	newest := e.Timeline
	for _, t := range histories {
		list, err := r.history(t)
		if err != nil {
			return 0, err
		}
		if t > newest && leads(list, e) {
			newest = t
		}
	}
	return newest, nil
}

// leads reports whether a timeline with that history has what a base backup has.
func leads(list []ancestor, e *Entry) bool {
	for _, a := range list {
		if a.timeline == e.Timeline {
			return a.end >= e.End
		}
	}
	return false
}
