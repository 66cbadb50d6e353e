package drill

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"tiercache/control/backup"
)

// Report is what a drill has shown.
type Report struct {
	Target   string
	At       time.Time // the target; zero: the end of the archive
	Restore  backup.Restored
	Disaster time.Time
	// When the restore was over, a write was acknowledged, each node had applied the new term and held a lease, and a purge
	// had all receipts.
	Restored, FirstWrite, Leases, Receipts time.Time

	Writes, Purges         int // acknowledged before the disaster
	LostWrites, LostPurges int // of them
	Oldest                 time.Time
	Reads, Failures        int
	LostSeen               int // reads of what was lost, after the disaster
	Broken                 int
	Violations             []string
}

func (r *Report) read(out []byte) error {
	if err := json.Unmarshal(out, &r.Restore); err != nil {
		return fmt.Errorf("what restore printed: %w", err)
	}
	return nil
}

// finish counts, and judges, when the load is over.
func (r *Report) finish(l *load) {
	note := func(acked time.Time, lost bool, n, gone *int) {
		if acked.IsZero() || !acked.Before(r.Disaster) {
			return
		}
		*n++
		if lost {
			*gone++
			if r.Oldest.IsZero() || acked.Before(r.Oldest) {
				r.Oldest = acked
			}
		}
	}
	for _, o := range l.objects {
		for _, w := range o.writes {
			note(w.acked, w.version > o.restored, &r.Writes, &r.LostWrites)
		}
	}
	for _, p := range l.mu.purges {
		note(p.acked, p.epoch > r.Restore.Database.Head, &r.Purges, &r.LostPurges)
	}
	r.Reads, r.Failures = len(l.mu.reads), l.mu.failures
	for _, d := range l.mu.reads {
		o := l.objects[d.object]
		if i := int(d.version) - 1; d.begun.After(r.Disaster) && d.version > o.restored && i < len(o.writes) && o.writes[i].begun.Before(r.Disaster) {
			r.LostSeen++
		}
	}
	r.judge(l)
}

// String is the report for people.
func (r *Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	since := func(t time.Time) string { return t.Sub(r.Disaster).Round(10 * time.Millisecond).String() }
	rpo := time.Duration(0)
	if !r.Oldest.IsZero() {
		rpo = r.Disaster.Sub(r.Oldest)
	}
	f := &r.Restore
	line("restored to", "%s, from backup %s and %d segments of the log", r.Target, f.From.ID, f.Reach.Segments)
	line("acknowledged before", "%d writes, %d purges", r.Writes, r.Purges)
	line("data lost (RPO)", "%d writes and %d purges, the oldest %v before the disaster", r.LostWrites, r.LostPurges, rpo.Round(10*time.Millisecond))
	line("time (RTO)", "%s until a write was acknowledged, %s until all nodes held a lease, %s until a purge had all receipts", since(r.FirstWrite), since(r.Leases), since(r.Receipts))
	line("of it the restore", "%s: copy %v, manifest %v, replay %v, content %v", since(r.Restored), short(f.Copied), short(f.Verified), short(f.Replayed), short(f.Checked))
	line("reads", "%d, %d of lost content between the disaster and the new term; %d requests failed", r.Reads, r.LostSeen, r.Failures)
	line("violations", "%d", r.Broken)
	_ = w.Flush() // into memory
	for _, v := range r.Violations {
		fmt.Fprintln(&b, "  "+v)
	}
	return b.String()
}

func short(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
