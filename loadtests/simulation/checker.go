package simulation

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"tiercache/loadtests/history"
	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/proxy"
)

// checkReceipts is G2 at the moment at which a purge is said to be complete: nobody who has not applied it holds a
// lease.
func (w *world) checkReceipts(wr *history.Write, epoch uint64) {
	for _, n := range w.nodes {
		p := n.process()
		if p == nil || p.ep.ended() || !p.ready.Load() {
			continue
		}
		if applied := p.follower.Applied(); applied < epoch && p.follower.Live(n.clock.now()) {
			w.record.violation("G2: %s is complete, and %s holds a lease and has applied %d of %d", wr.ID, n.name, applied, epoch)
		}
	}
}

// watchLeases is G4 at any moment: nobody holds a lease who lacks what was sequenced longer ago than leases last.
func (w *world) watchLeases(ctx context.Context) {
	for sleep(ctx, 250*time.Millisecond) == nil {
		for _, n := range w.nodes {
			p := n.process()
			if p == nil || !p.ready.Load() || !p.follower.Live(n.clock.now()) {
				continue
			}
			applied := p.follower.Applied()
			w.db.mu.Lock()
			lacking := w.db.state.behind(applied)
			w.db.mu.Unlock()
			if len(lacking) > 0 && time.Since(lacking[0].Time) > controllog.FenceTime+history.Epsilon {
				w.record.violation("G4: %s holds a lease and lacks entry %d, which is %v old", n.name, lacking[0].Epoch, time.Since(lacking[0].Time))
			}
		}
	}
}

// checkTier looks at what a node gives another one: nothing stale while it revalidates, or staleness would add up.
func (w *world) checkTier(from *process, r *proxy.Request, response *proxy.Response) {
	for status := range response.Header.Values("Cache-Status") {
		if strings.HasPrefix(status, from.name+"; hit;") && strings.Contains(status, "ttl=-") {
			w.record.violation("freshness: %s gives another node a stale %s%s: %s", from.name, r.Host, r.Target, status)
		}
	}
}

// judge checks the history.
func (w *world) judge() {
	w.findEpochs()
	terms := w.terms()
	w.history(terms).Judge(w.record.violation)
	for _, d := range w.record.reads {
		w.judgeAlone(d)
	}
	w.judgeLog()
	questions := w.questions(terms)
	for _, n := range w.nodes {
		if p := n.process(); p != nil && p.ready.Load() {
			w.judgeIndex(p, questions)
		}
	}
}

// history is all that happened, as somebody sees it who sees everything.
func (w *world) history(terms []*history.Write) *history.History {
	r := w.record
	h := &history.History{Start: r.start, Strict: w.strict, Commits: r.commits, Writes: r.writes, Terms: terms, Reads: r.reads, Losses: r.losses}
	for _, n := range w.nodes {
		h.SetBack += n.clock.setBack()
	}
	return h
}

// findEpochs finds the epochs of the writes in the log.
func (w *world) findEpochs() {
	epochs := map[string]uint64{}
	for _, r := range w.db.state.log {
		epochs[r.ID] = r.Epoch
	}
	for _, wr := range w.record.writes {
		wr.Epoch = epochs[wr.ID]
	}
}

// terms are the terms, and the purges of everything that came with some: what was lost is not served any more.
func (w *world) terms() (list []*history.Write) {
	for _, r := range w.db.state.log {
		var change controllog.TermChange
		if r.Kind == "term" && json.Unmarshal(r.Body, &change) == nil {
			list = append(list, &history.Write{ID: r.ID, Purge: controllog.Purge{All: true}, Soft: change.Purge == "soft", Committed: r.Time, Epoch: r.Epoch, Purges: change.Purge != ""})
		}
	}
	return list
}

// judgeLog is G1 of the log: what was committed is in it, what was rolled back is not.
func (w *world) judgeLog() {
	for _, wr := range w.record.writes {
		switch {
		case wr.RolledBack && wr.Epoch > 0:
			w.record.violation("G1: %s was rolled back and is entry %d", wr.ID, wr.Epoch)
		case !wr.RolledBack && !wr.Lost && wr.Epoch == 0 && w.db.state.compacted == 0:
			w.record.violation("G1: %s was committed and is not in the log", wr.ID)
		}
	}
}

// judgeAlone checks what a node serves that has started without control, of a store that has outlived it: of what is
// newer than all it knows, nothing.
func (w *world) judgeAlone(d *history.Read) {
	if d.Alone && strings.HasPrefix(d.Node, "regional") && d.Stamp > d.Known && strings.HasPrefix(d.CacheStatus, d.Node+"; hit") {
		w.record.violation("restart: %s was given %s by %s at %v with stamp %d, and that knows the log through %d", d.Client, d.Page.Name, d.Node, w.since(d.Start), d.Stamp, d.Known)
	}
}

// question is what each node's index is asked about a page.
type question struct {
	page   *resource
	scopes []object.Scope
	stamp  uint64
	since  uint64 // the epoch from which on a node knows the answer
	want   invalidation.Verdict
}

// questions are about each page as of each write, and of the moment before it.
func (w *world) questions(terms []*history.Write) (list []question) {
	since := map[uint64]uint64{} // by stamp
	for _, wr := range w.record.writes {
		if wr.Epoch > 0 {
			since[wr.Epoch] = wr.Epoch
			if _, known := since[wr.Epoch-1]; !known {
				since[wr.Epoch-1] = wr.Epoch
			}
		}
	}
	for _, page := range w.pages {
		scopes, purges := scopesOf(page), w.purgesOf(page, terms)
		for _, stamp := range slices.Sorted(maps.Keys(since)) {
			list = append(list, question{page, scopes, stamp, since[stamp], verdict(purges, stamp)})
		}
	}
	return list
}

// judgeIndex compares what a node knows of purges with the whole log: G1 of the node, and G9.
func (w *world) judgeIndex(p *process, questions []question) {
	index, applied := p.follower.Index(), p.follower.Applied()
	hard, soft := index.Floors()
	for i := range questions {
		q := &questions[i]
		if q.since > applied {
			continue
		}
		switch got := index.Check(q.stamp, q.scopes); {
		case got < q.want:
			w.record.violation("G1: %s takes %s of stamp %d for %v, and it is %v", p.name, q.page.name, q.stamp, got, q.want)
		case got > q.want && q.stamp >= hard && (got == invalidation.Dead || q.stamp >= soft) && !w.inHole(q.stamp):
			w.record.violation("G9: %s takes %s of stamp %d for %v, and it is %v", p.name, q.page.name, q.stamp, got, q.want)
		}
	}
}

// scopesOf are the scopes of a page as a response without query has them.
func scopesOf(page *resource) []object.Scope {
	scopes, err := invalidation.AppendScopes(nil, &invalidation.Response{Service: page.service, Host: page.host, Target: page.path, Tags: page.tags, OwnOrigin: page.own()})
	if err != nil {
		panic("simulation: a page without scopes: " + err.Error())
	}
	return scopes
}

// purgesOf are all purges whose words cover a page.
func (w *world) purgesOf(page *resource, terms []*history.Write) (list []*history.Write) {
	for _, wr := range slices.Concat(w.record.writes, terms) {
		if !wr.RolledBack && wr.Purges && covers(&wr.Purge, page, "") {
			list = append(list, wr)
		}
	}
	return list
}

// verdict is what purges say of a stamp.
func verdict(purges []*history.Write, stamp uint64) invalidation.Verdict {
	verdict := invalidation.Live
	for _, wr := range purges {
		switch {
		case wr.Epoch <= stamp:
		case !wr.Soft:
			return invalidation.Dead
		default:
			verdict = invalidation.Stale
		}
	}
	return verdict
}

// inHole reports whether no entry can have that number.
func (w *world) inHole(stamp uint64) bool {
	for _, r := range w.db.state.log {
		if r.Kind == "term" && r.Prev < stamp && stamp < r.Epoch {
			return true
		}
	}
	return false
}
