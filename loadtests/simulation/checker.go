package simulation

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"tiercache/control/client"
	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/proxy"
)

// epsilon is what moments may be apart that the promises take for one.
const epsilon = 50 * time.Millisecond

// checkReceipts is G2 at the moment at which a purge is said to be complete: nobody who has not applied it holds a
// lease.
func (w *world) checkReceipts(wr *write, epoch uint64) {
	for _, n := range w.nodes {
		p := n.process()
		if p == nil || p.ep.ended() || !p.ready.Load() {
			continue
		}
		if applied := p.follower.Applied(); applied < epoch && p.follower.Live(n.clock.now()) {
			w.record.violation("G2: %s is complete, and %s holds a lease and has applied %d of %d", wr.id, n.name, applied, epoch)
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
			if len(lacking) > 0 && time.Since(lacking[0].Time) > controllog.FenceTime+epsilon {
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
	for _, d := range w.record.reads {
		w.judgeRead(d, terms)
	}
	w.judgeLog()
	questions := w.questions(terms)
	for _, n := range w.nodes {
		if p := n.process(); p != nil && p.ready.Load() {
			w.judgeIndex(p, questions)
		}
	}
}

// findEpochs finds the epochs of the writes in the log.
func (w *world) findEpochs() {
	epochs := map[string]uint64{}
	for _, r := range w.db.state.log {
		epochs[r.ID] = r.Epoch
	}
	for _, wr := range w.record.writes {
		wr.epoch = epochs[wr.id]
	}
}

// terms are the terms, and the purges of everything that came with some: what was lost is not served any more.
func (w *world) terms() (list []*write) {
	for _, r := range w.db.state.log {
		var change controllog.TermChange
		if r.Kind == "term" && json.Unmarshal(r.Body, &change) == nil {
			list = append(list, &write{id: r.ID, purge: controllog.Purge{All: true}, soft: change.Purge == "soft", committed: r.Time, epoch: r.Epoch, purges: change.Purge != ""})
		}
	}
	return list
}

// judgeLog is G1 of the log: what was committed is in it, what was rolled back is not.
func (w *world) judgeLog() {
	for _, wr := range w.record.writes {
		switch {
		case wr.rolledBack && wr.epoch > 0:
			w.record.violation("G1: %s was rolled back and is entry %d", wr.id, wr.epoch)
		case !wr.rolledBack && !wr.lost && wr.epoch == 0 && w.db.state.compacted == 0:
			w.record.violation("G1: %s was committed and is not in the log", wr.id)
		}
	}
}

// judgeRead checks what a client was given against all purges that cover it.
func (w *world) judgeRead(d *read, terms []*write) {
	r := w.record
	at, committed := r.commits[d.page.name][d.version]
	if !committed {
		r.violation("G1: %s was given version %d of %s by %s, which was never committed", d.client, d.version, d.page.name, d.node)
		return
	}
	w.judgeAlone(d)
	lost := w.isLost(at, d.start)
	for _, wr := range r.writes {
		floor, covered := wr.floors[d.page.name]
		if !covered || wr.rolledBack || wr.lost || wr.epoch == 0 || !covers(&wr.purge, d.page, d.query) {
			continue
		}
		if at.Before(r.commits[d.page.name][floor]) {
			w.judgeOlder(d, wr)
		}
	}
	for _, term := range terms {
		if lost && at.Before(term.committed) {
			w.judgeLost(d, term)
		}
	}
	if d.page.host == fastHost {
		w.judgeFreshness(d, at)
	}
}

// judgeLost checks a read of what a term has lost. An object's stamp is of the lost branch, which is dead; a page of the
// site may have been stored before it, and is as old as the term's purge says.
func (w *world) judgeLost(d *read, term *write) {
	if d.page.own() {
		w.judgeOlder(d, &write{id: term.id, committed: term.committed, epoch: term.epoch})
	} else if term.purges {
		w.judgeOlder(d, term)
	}
}

// isLost reports whether what was committed at some moment had been lost when a read began.
func (w *world) isLost(at, read time.Time) bool {
	for _, l := range w.record.losses {
		if at.After(l.after) && at.Before(l.at) && l.at.Before(read) {
			return true
		}
	}
	return false
}

// judgeOlder checks a read that was given something older than what a purge of it demands.
func (w *world) judgeOlder(d *read, wr *write) {
	r := w.record
	bad := func(rule, why string) {
		r.violation("%s: %s was given version %d of %s%s by %s at %v, older than purge %s (epoch %d, committed %v) demands: %s",
			rule, d.client, d.version, d.page.name, d.query, d.node, w.since(d.start), wr.id, wr.epoch, w.since(wr.committed), why)
	}
	if d.stamp >= wr.epoch {
		bad("stamp", "its stamp covers the purge")
	}
	if wr.soft && d.stale {
		return
	}
	age := d.start.Sub(wr.committed)
	if d.page.host == lagHost {
		if age -= upstreamLag; wr.epoch > d.settled && age < controllog.FenceTime {
			return // the site itself may not have known better when the node applied the purge
		}
	}
	switch late := age > controllog.FenceTime+epsilon; {
	case d.token >= wr.epoch:
		bad("G5", "it asked for that epoch")
	case d.applied >= wr.epoch:
		bad("G3", "the node had applied it")
	case !wr.completed.IsZero() && wr.completed.Before(d.start) && !w.excused(d, wr):
		bad("G3", "it was complete before the request")
	case late && d.page.service == w.strict:
		bad("G4", "the service is strict")
	case late && !d.disconnected && !d.stale:
		bad("G4", "it is not marked")
	}
}

// excused reports whether the node may not know of a purge that is complete: it is fenced, as the receipts say, or it has
// started since without control, as its replies say.
func (w *world) excused(d *read, wr *write) bool {
	return wr.receipts[d.node] == client.StateFenced || d.alone && d.disconnected
}

// judgeAlone checks what a node serves that has started without control, of a store that has outlived it: of what is
// newer than all it knows, nothing.
func (w *world) judgeAlone(d *read) {
	if d.alone && strings.HasPrefix(d.node, "regional") && d.stamp > d.known && strings.HasPrefix(d.cacheStatus, d.node+"; hit") {
		w.record.violation("restart: %s was given %s by %s at %v with stamp %d, and that knows the log through %d", d.client, d.page.name, d.node, w.since(d.start), d.stamp, d.known)
	}
}

// judgeFreshness checks a page that purges nothing: it is served as long as it says.
func (w *world) judgeFreshness(d *read, at time.Time) {
	next := time.Time{}
	for _, other := range w.record.commits[d.page.name] {
		if other.After(at) && (next.IsZero() || other.Before(next)) {
			next = other
		}
	}
	limit := fastLifetime + fastStale + 2*time.Second // ages travel in whole seconds
	if strings.Contains(d.cacheStatus, "stale-if-error") {
		limit += fastOnError
	}
	for _, n := range w.nodes {
		limit += n.clock.setBack() // ages are counted by it
	}
	if !next.IsZero() && d.start.Sub(next) > limit && !w.isLost(next, d.end) {
		w.record.violation("freshness: %s was given version %d of %s by %s at %v, replaced %v before", d.client, d.version, d.page.name, d.node, w.since(d.start), d.start.Sub(next))
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
func (w *world) questions(terms []*write) (list []question) {
	since := map[uint64]uint64{} // by stamp
	for _, wr := range w.record.writes {
		if wr.epoch > 0 {
			since[wr.epoch] = wr.epoch
			if _, known := since[wr.epoch-1]; !known {
				since[wr.epoch-1] = wr.epoch
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
func (w *world) purgesOf(page *resource, terms []*write) (list []*write) {
	for _, wr := range slices.Concat(w.record.writes, terms) {
		if !wr.rolledBack && wr.purges && covers(&wr.purge, page, "") {
			list = append(list, wr)
		}
	}
	return list
}

// verdict is what purges say of a stamp.
func verdict(purges []*write, stamp uint64) invalidation.Verdict {
	verdict := invalidation.Live
	for _, wr := range purges {
		switch {
		case wr.epoch <= stamp:
		case !wr.soft:
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
