package members

import (
	"context"
	"time"

	"tiercache/control/postgres"
)

// refresh writes what was reported here, removes who has left, and reads all rows.
func (t *Tracker) refresh(ctx context.Context) error {
	if err := t.save(ctx, nil); err != nil {
		return err
	}
	for _, row := range t.departed() {
		if err := t.remove(ctx, row); err != nil {
			return err
		}
	}
	order := t.begin()
	rows, err := t.store.Members(ctx)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.merge(rows, order)
	t.forget(rows, order)
	t.mu.loaded = max(t.mu.loaded, order)
	return nil
}

// begin numbers a statement that is about to begin.
func (t *Tracker) begin() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next()
}

// save notes in the rows who has renewed here since the last time, and what they have applied. Those who wait for
// that share it; done, if given, ends the waiting when somebody else has done it.
//
// INVARIANT: confirmed is read before the statement begins, and set only for the registration that it found.
func (t *Tracker) save(ctx context.Context, done func() bool) error {
	select {
	case t.saving <- struct{}{}:
		defer func() { <-t.saving }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if done != nil && done() {
		return nil
	}
	renewals, members, began := t.unsaved()
	if len(renewals) == 0 {
		return nil
	}
	saved, err := t.store.SaveRenewals(ctx, renewals)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range members {
		s, found := saved[m.row.Node]
		switch {
		case err != nil:
			m.fresh = true
		case found:
			m.confirmed = began
			if !s.Before.Equal(m.row.Seen) {
				m.elsewhere = t.now()
			}
			m.row.Seen, m.order = s.Seen, t.next()
		default:
			t.drop(m)
		}
	}
	return err
}

// unsaved are those that have renewed since the last call.
func (t *Tracker) unsaved() (renewals []postgres.Renewal, members []*member, began time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for node, m := range t.mu.members {
		if m.fresh && m.left.IsZero() {
			renewals = append(renewals, postgres.Renewal{Node: node, Registered: m.row.Registered, Applied: m.applied})
			members = append(members, m)
		}
		m.fresh = false
	}
	return renewals, members, t.now()
}

// departed are the members that have left and whose rows could not be removed then.
func (t *Tracker) departed() (rows []postgres.Member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.mu.members {
		if !m.left.IsZero() {
			rows = append(rows, m.row)
		}
	}
	return rows
}

// merge takes rows that were read: of members that joined elsewhere, and what was applied as others know. The
// mutex is held.
func (t *Tracker) merge(rows []postgres.Member, order uint64) {
	now := t.now()
	for _, row := range rows {
		m := t.mu.members[row.Node]
		switch {
		case m == nil && order < t.mu.loaded, m != nil && order < m.order:
			continue // newer rows are known, or that there is none any more
		case m == nil || !m.same(&row):
			// What waits for the registration before has its answer: its leases were over when the row was taken or removed.
			t.gone(row.Node)
			m = &member{elsewhere: now}
			if t.mu.loaded > 0 {
				m.renewed = now // it has just joined, at another control node
			}
			t.mu.members[row.Node] = m
		case !row.Seen.Equal(m.row.Seen):
			m.renewed, m.elsewhere = now, now // at another control node
		}
		m.row, m.order = row, order
		t.believe(m, row.Applied, now)
	}
}

// forget drops members without a row, other than those that joined after the rows were read. The mutex is
// held.
func (t *Tracker) forget(rows []postgres.Member, order uint64) {
	present := make(map[string]bool, len(rows))
	for _, row := range rows {
		present[row.Node] = true
	}
	for node, m := range t.mu.members {
		if !present[node] && m.order < order {
			t.drop(m)
		}
	}
}

// drop forgets a member that has no row any more. The mutex is held.
func (t *Tracker) drop(m *member) {
	node := m.row.Node
	if t.mu.members[node] != m {
		return // another registration
	}
	delete(t.mu.members, node)
	if m.left.IsZero() {
		t.gone(node)
		t.change(m, ChangeLeft)
	}
}
