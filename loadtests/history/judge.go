package history

import (
	"strings"
	"time"

	"tiercache/control/client"
	"tiercache/shared/controllog"
)

// Epsilon is what moments may be apart that the promises take for one.
const Epsilon = 50 * time.Millisecond

// Judge tells of each broken promise that the reads show.
func (h *History) Judge(violation func(format string, args ...any)) {
	j := &judge{h, violation}
	for _, d := range h.Reads {
		j.read(d)
	}
}

type judge struct {
	*History
	violation func(format string, args ...any)
}

// read checks what a client was given against all purges that cover it.
func (j *judge) read(d *Read) {
	at, committed := j.Commits[d.Page.Name][d.Version]
	if !committed {
		j.violation("G1: %s was given version %d of %s by %s, which was never committed", d.Client, d.Version, d.Page.Name, d.Node)
		return
	}
	for _, w := range j.Writes {
		floor, covered := w.Floors[d.Page.Name]
		if !covered || w.RolledBack || w.Lost || w.Epoch == 0 || !d.Page.Covers(&w.Purge, d.Query) {
			continue
		}
		if at.Before(j.Commits[d.Page.Name][floor]) {
			j.older(d, w)
		}
	}
	if loss := j.lossOf(d.Page.Name, d.Version, at, d.Start); loss != nil {
		for _, term := range j.Terms {
			if loss.At.Before(term.Committed) {
				j.lost(d, term)
			}
		}
	}
	if d.Page.Fresh > 0 {
		j.fresh(d, at)
	}
}

// lost checks a read of what a term has lost. An object's stamp is of the lost branch, which is dead; a page of the
// site may have been stored before it, and is as old as the term's purge says.
func (j *judge) lost(d *Read, term *Write) {
	if d.Page.Own {
		j.older(d, &Write{ID: term.ID, Committed: term.Committed, Epoch: term.Epoch})
	} else if term.Purges {
		j.older(d, term)
	}
}

// older checks a read that was given something older than what a purge of it demands.
func (j *judge) older(d *Read, w *Write) {
	bad := func(rule, why string) {
		j.violation("%s: %s was given version %d of %s%s by %s at %v, older than purge %s (epoch %d, committed %v) demands: %s",
			rule, d.Client, d.Version, d.Page.Name, d.Query, d.Node, j.since(d.Start), w.ID, w.Epoch, j.since(w.Committed), why)
	}
	if d.Stamp >= w.Epoch {
		bad("stamp", "its stamp covers the purge")
	}
	if w.Soft && d.Stale {
		return
	}
	age := d.Start.Sub(w.Committed)
	if d.Page.Lag > 0 {
		if age -= d.Page.Lag; w.Epoch > d.Settled && age < controllog.FenceTime {
			return // the site itself may not have known better when the node applied the purge
		}
	}
	switch late := age > controllog.FenceTime+Epsilon; {
	case d.Token >= w.Epoch:
		bad("G5", "it asked for that epoch")
	case d.Applied >= w.Epoch:
		bad("G3", "the node had applied it")
	case !w.Completed.IsZero() && w.Completed.Before(d.Start) && !excused(d, w):
		bad("G3", "it was complete before the request")
	case late && d.Page.Service == j.Strict:
		bad("G4", "the service is strict")
	case late && !d.Disconnected && !d.Stale:
		bad("G4", "it is not marked")
	}
}

// excused reports whether the node may not know of a purge that is complete: it is fenced, as the receipts say, or it has
// started since without control, as its replies say.
func excused(d *Read, w *Write) bool {
	return w.Receipts[d.Node] == client.StateFenced || d.Alone && d.Disconnected
}

// fresh checks a page that purges nothing: it is served as long as it says.
func (j *judge) fresh(d *Read, at time.Time) {
	next, replacement := time.Time{}, 0
	for n, other := range j.Commits[d.Page.Name] {
		if other.After(at) && (next.IsZero() || other.Before(next)) {
			next, replacement = other, n
		}
	}
	limit := d.Page.Fresh + 2*time.Second + j.SetBack // ages travel in whole seconds, and are counted by clocks
	if strings.Contains(d.CacheStatus, "stale-if-error") {
		limit += d.Page.OnError
	}
	if !next.IsZero() && d.Start.Sub(next) > limit && j.lossOf(d.Page.Name, replacement, next, d.End) == nil {
		j.violation("freshness: %s was given version %d of %s by %s at %v, replaced %v before", d.Client, d.Version, d.Page.Name, d.Node, j.since(d.Start), d.Start.Sub(next))
	}
}
