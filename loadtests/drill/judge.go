package drill

import (
	"fmt"
	"time"
)

// fenceTime is how long after its last renewal a node may take itself for current, at most; epsilon is what moments may be
// apart that are taken for one.
const (
	fenceTime = 2500 * time.Millisecond
	epsilon   = 100 * time.Millisecond
)

// maxLag is what the archive may lack at most: --backup-lag, and what it takes a busy machine to archive a segment.
const maxLag = 30 * time.Second

// maxViolations bounds what is kept of a run that goes wrong.
const maxViolations = 50

func (r *Report) violation(format string, args ...any) {
	r.Broken++
	if len(r.Violations) < maxViolations {
		r.Violations = append(r.Violations, fmt.Sprintf(format, args...))
	}
}

// judge checks the history. The versions of an object are those up to the restored one; behind it those that were lost, which
// were written before the disaster; and behind them what was written since.
func (r *Report) judge(l *load) {
	if r.At.IsZero() {
		r.judgeLatest(l.objects)
	}
	for _, o := range l.objects {
		r.judgeRestored(o)
	}
	for i := range l.mu.reads {
		r.judgeRead(l, &l.mu.reads[i])
	}
}

// judgeRestored wants what was restored to be what was committed by the target, neither more nor less.
func (r *Report) judgeRestored(o *object) {
	for _, w := range o.writes {
		switch {
		case !w.begun.Before(r.Disaster) || r.At.IsZero():
		case !w.acked.IsZero() && w.acked.Before(r.At) && w.version > o.restored:
			r.violation("restore: version %d of %s was acknowledged %v before the target, and the restored one is %d", w.version, o.path, r.At.Sub(w.acked), o.restored)
		case w.begun.After(r.At) && w.version <= o.restored:
			r.violation("restore: version %d of %s was written %v after the target, and the restored one is %d", w.version, o.path, w.begun.Sub(r.At), o.restored)
		}
	}
}

// judgeLatest wants what was restored without a target to be all that had been committed until some moment, and that not to
// be long before the disaster.
func (r *Report) judgeLatest(objects []*object) {
	var newest time.Time // of what was restored
	for _, o := range objects {
		for _, w := range o.writes {
			if w.version <= o.restored && w.begun.Before(r.Disaster) && w.begun.After(newest) {
				newest = w.begun
			}
		}
	}
	for _, o := range objects {
		for _, w := range o.writes {
			switch {
			case w.version <= o.restored || w.acked.IsZero() || !w.begun.Before(r.Disaster):
			case w.acked.Before(newest):
				r.violation("restore: version %d of %s was acknowledged %v before something was written that was restored, and the restored one is %d", w.version, o.path, newest.Sub(w.acked), o.restored)
			case r.Disaster.Sub(w.acked) > maxLag:
				r.violation("restore: version %d of %s was acknowledged %v before the disaster, and the restored one is %d", w.version, o.path, r.Disaster.Sub(w.acked), o.restored)
			}
		}
	}
}

func (r *Report) judgeRead(l *load, d *read) {
	o := l.objects[d.object]
	bad := func(rule, why string, args ...any) {
		r.violation("%s: edge-%d gave version %d of %s %v after the disaster, %s (restored is %d): %s", rule, d.edge+1, d.version, o.path,
			d.begun.Sub(r.Disaster).Round(time.Millisecond), fmt.Sprintf(why, args...), o.restored, d.status)
	}
	i := int(d.version) - 1 // versions count from 1, without a hole
	if i < 0 || i >= len(o.writes) || o.writes[i].begun.After(d.ended) {
		bad("content", "which nobody had written")
		return
	}
	w := &o.writes[i]
	after := d.begun.Sub(r.Disaster)
	lost := d.version > o.restored && w.begun.Before(r.Disaster)
	switch {
	case lost && d.begun.After(r.Leases):
		bad("new term", "which is lost, and each node had applied the term for %v", d.begun.Sub(r.Leases).Round(time.Millisecond))
	case lost && after > fenceTime+epsilon && !d.marked():
		bad("mark", "which is lost, without a mark")
	case d.hit() && !d.marked() && after > fenceTime+epsilon && d.ended.Before(r.Restored):
		bad("mark", "without a mark while there was no database")
	}
	// What was settled when the read began is seen, or something newer; a loss sets that back to what was restored.
	for _, s := range o.writes {
		if s.settled.IsZero() || s.version <= d.version || !s.settled.Before(d.begun) {
			continue
		}
		if s.begun.Before(r.Disaster) && d.ended.After(r.Restored) && s.version > o.restored && d.version == o.restored {
			continue
		}
		bad("settled", "and version %d had been settled for %v", s.version, d.begun.Sub(s.settled).Round(time.Millisecond))
		return
	}
}
