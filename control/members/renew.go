package members

import (
	"context"
	"errors"
	"slices"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// Standing is what a tracker knows of one that renews.
type Standing uint8

// The standings.
const (
	Unknown  Standing = iota // not a member: it must join
	Starting                 // the members' rows have not been read yet
	Known                    // a member
)

// reportCost is what the reports of all members may take of a control node: one each so often. With it a purge
// in a small fleet has its receipts at once, and a large fleet does not flood control.
const reportCost = 250 * time.Microsecond

// errUnconfirmed: the row has no note that is young enough.
var errUnconfirmed = errors.New("the members' rows cannot be written in time")

// Report takes a renewal that is no Join or Leave. It is called in the order in which a node's messages
// arrive.
func (t *Tracker) Report(r *controllog.Renew) Standing {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, now := t.mu.members[r.Node], t.now()
	switch {
	case m == nil && t.mu.loaded == 0:
		return Starting
	case !m.is(r):
		return Unknown
	}
	m.renewed, m.fresh = now, true
	t.believe(m, r.Applied, now)
	return Known
}

// Terms are what a member is told with its lease.
type Terms struct {
	Drain       bool // it is to say that it is not ready
	ReportEvery time.Duration
}

// Grant gives the node that has sent r a lease. It is asked last, when the head for the answer has been read.
// Errors: ErrUnknown for one that is no member (any more), those of the store.
//
// INVARIANT: the row of this registration is in PostgreSQL, and stays there until the lease is over, since what
// could remove it waits for that from the note on which the grant relies: see member.over. So each purge that is
// registered meanwhile counts the member, and one registered before is covered by the head or counts it too.
func (t *Tracker) Grant(ctx context.Context, r *controllog.Renew) (Terms, error) {
	terms, err := t.grant(r)
	if !errors.Is(err, errUnconfirmed) {
		return terms, err
	}
	if err := t.save(ctx, func() bool { return t.confirmed(r) }); err != nil {
		return Terms{}, err
	}
	return t.grant(r)
}

func (t *Tracker) grant(r *controllog.Renew) (Terms, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, now := t.mu.members[r.Node], t.now()
	switch {
	case !m.is(r):
		return Terms{}, ErrUnknown
	case now.Sub(m.confirmed) > confirmTime:
		m.fresh = true // also when a save of this renewal has failed
		return Terms{}, errUnconfirmed
	}
	m.leased = now
	t.believe(m, r.Applied, now)
	every := time.Duration(len(t.mu.members)) * reportCost
	return Terms{
		Drain:       m.row.State == postgres.MemberLeaving,
		ReportEvery: min(max(every, controllog.MinReportInterval), controllog.ReportInterval),
	}, nil
}

// confirmed reports whether nothing is to be waited for.
func (t *Tracker) confirmed(r *controllog.Renew) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.mu.members[r.Node]
	return !m.is(r) || t.now().Sub(m.confirmed) <= confirmTime
}

// believe takes what a member has applied, by its own word or by what another control node knows. The mutex is
// held.
//
// INVARIANT: an epoch that this node has not seen counts for nothing, not even for what lies below it: a node on a
// branch of the log that was lost has applied other entries. One that is only quicker than this node is believed
// when its lease is granted, with a head that this node has seen.
func (t *Tracker) believe(m *member, epoch uint64, at time.Time) {
	if epoch >= m.doubt && epoch <= t.mu.seen.newest() {
		t.advance(m, epoch, at)
	}
}

// advance notes what a member has applied and what that completes. The mutex is held.
func (t *Tracker) advance(m *member, epoch uint64, at time.Time) {
	before := m.applied
	m.advance(epoch, at)
	first, _ := slices.BinarySearchFunc(t.mu.watches, before+1, byEpoch)
	for _, w := range slices.Clone(t.mu.watches[first:]) {
		if w.epoch > m.applied {
			break
		}
		t.settle(w, m.row.Node, at, true)
	}
}

// Distrust takes back what a node that was ahead of the log has applied: it is on a branch that was lost, and
// counts as having applied nothing until it says that it has reached head, which is above the branch.
func (t *Tracker) Distrust(r *controllog.Renew, head uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.mu.members[r.Node]; m.is(r) {
		m.applied, m.reports, m.doubt = 0, nil, head
	}
}

// DistrustAll is Distrust for every member: what this node has seen so far is a branch that was lost.
func (t *Tracker) DistrustAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.mu.members {
		m.applied, m.reports, m.doubt = 0, nil, t.mu.seen.newest()+1
	}
}
