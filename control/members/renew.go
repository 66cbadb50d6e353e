package members

import (
	"context"
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

// Report takes a renewal that is no Join or Leave. It is called in the order in which a node's messages
// arrive.
func (t *Tracker) Report(r *controllog.Renew) Standing {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, now := t.mu.members[r.Node], t.now()
	switch {
	case m == nil && !t.mu.loaded:
		return Starting
	case m == nil, m.row.Tier != r.Tier, now.Sub(later(m.known, m.renewed)) > rejoinAfter:
		return Unknown
	}
	m.left, m.renewed, m.fresh = time.Time{}, now, true
	t.advance(m, r.Applied, now)
	return Known
}

// Join makes the node a member. Its row has been committed when Join returns.
//
// INVARIANT: the head that the node is to apply before it serves is read after that. A purge whose list of
// members was read without this one has an epoch that is covered by that head.
func (t *Tracker) Join(ctx context.Context, r *controllog.Renew) error {
	m := t.arriving(r)
	m.joining.Lock()
	defer m.joining.Unlock()
	row := postgres.Member{
		Node: r.Node, Tier: r.Tier, Region: r.Region, Addr: r.Addr, Applied: r.Applied, State: postgres.MemberServing,
	}
	if err := t.store.Join(ctx, row); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.mu.members[r.Node] = m
	m.row, m.left, m.known, m.renewed, m.fresh = row, time.Time{}, now, now, true
	// It may have lost what it had applied before: what it says now counts.
	m.applied, m.reports = 0, nil
	t.advance(m, r.Applied, now)
	t.change(m, ChangeJoined)
	return nil
}

// arriving is the node's member, a new one when it has none, and takes back that it left.
func (t *Tracker) arriving(r *controllog.Renew) *member {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.mu.members[r.Node]
	if m == nil {
		return &member{}
	}
	m.left = time.Time{}
	return m
}

// Leave takes that the node has drained: purges do not wait for it any more. Its row is removed a moment
// later, unless it joins again.
func (t *Tracker) Leave(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.mu.members[node]
	if m == nil || !m.left.IsZero() {
		return
	}
	m.left = t.now()
	t.gone(node)
	t.change(m, ChangeLeft)
}

// Remove ends the membership of a node that is fenced: it will not come back, or will join again. Errors:
// ErrLive, ErrUnknown.
func (t *Tracker) Remove(node string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.mu.members[node]
	switch {
	case m == nil || !m.left.IsZero():
		return ErrUnknown
	case t.state(m).Lease != LeaseFenced:
		return ErrLive
	}
	m.left = t.now()
	t.gone(node)
	t.change(m, ChangeLeft)
	return nil
}

// advance notes a report and what it completes. The mutex is held.
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

// merge takes rows: of members that joined elsewhere, and what was applied as others know. The mutex is
// held.
func (t *Tracker) merge(rows []postgres.Member) {
	now := t.now()
	for _, row := range rows {
		m := t.mu.members[row.Node]
		if m == nil {
			m = &member{known: now}
			t.mu.members[row.Node] = m
		}
		if row.Seen.After(m.row.Seen) && !m.saved && t.mu.loaded {
			m.renewed, m.granted = now, now // at another control node
		}
		m.row = row
		t.advance(m, row.Applied, now)
	}
	t.mu.loaded = true
}

// forget drops members without a row, other than those that joined after the rows were read. The mutex is
// held.
func (t *Tracker) forget(rows []postgres.Member, began time.Time) {
	present := make(map[string]bool, len(rows))
	for _, row := range rows {
		present[row.Node] = true
	}
	for node, m := range t.mu.members {
		if !present[node] && m.known.Before(began) {
			delete(t.mu.members, node)
			t.gone(node)
			t.change(m, ChangeLeft)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Distrust takes back what a node said that it has applied, which the log has not: nothing counts as applied
// until it reports again.
func (t *Tracker) Distrust(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.mu.members[node]; m != nil {
		m.applied, m.reports = 0, nil
	}
}
