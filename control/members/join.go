package members

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// TakenError: another process is the member of that name, and may hold a lease.
type TakenError struct {
	Node  string
	Since time.Time // when that one was registered, by PostgreSQL's clock
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("another process with the name %s is a member since %s: give each node its own name; if that one has ended, its name is free in a few seconds",
		e.Node, e.Since.UTC().Format(time.DateTime+" UTC"))
}

// Rival is a process that asked for the name of another one, in vain.
type Rival struct {
	Node, Tier, Region, Addr string
	At                       time.Time // when it asked last
	Reason                   string
}

// Join makes the node's process a member. Its row has been committed when Join returns. It may come again, or late.
// Errors: TakenError, those of the store: among them that the process has left.
//
// INVARIANT: the head that the node is to apply before it serves is read after that. A purge whose list of
// members was read without this one has an epoch that is covered by that head.
//
// INVARIANT: a process takes the name of another one only when that one has left, or has ended as its successor can
// tell, or when all leases that it may have been granted are over. Its receipts would stand for both otherwise.
func (t *Tracker) Join(ctx context.Context, r *controllog.Renew) error {
	row, over, err := t.arriving(r)
	if err != nil {
		return err
	}
	began := t.now()
	if row, err = t.store.Join(ctx, row, over); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if row.Instance != r.Instance {
		return t.refuse(r, row.Registered)
	}
	m, now := t.mu.members[r.Node], t.now()
	switch {
	case m != nil && m.same(&row) && !m.left.IsZero():
		return postgres.ErrDeparted // meanwhile; its row is still to be removed
	case m != nil && m.same(&row):
		t.again(m, &row)
	case m != nil && m.row.Registered.After(row.Registered):
		return nil // the name was registered anew meanwhile
	default:
		// What waits for the registration before has its answer: its leases were over when the row was taken or removed.
		t.gone(r.Node)
		m = &member{row: row, order: t.next(), elsewhere: now}
		t.mu.members[r.Node] = m
	}
	m.confirmed, m.renewed, m.fresh = began, now, true
	t.believe(m, r.Applied, now)
	if !m.joined {
		m.joined = true
		t.change(m, ChangeJoined)
	}
	return nil
}

// again takes the row of a member whose process has joined again, or whose row was read before Join could look at it.
// The mutex is held.
//
// INVARIANT: its waiting goes on. The process may hold a lease that it was granted before.
//
// INVARIANT: what another control node has noted in the row meanwhile is overwritten, and so may be anything.
func (t *Tracker) again(m *member, row *postgres.Member) {
	m.elsewhere = t.now()
	if row.Seen.After(m.row.Seen) {
		m.row, m.order = *row, t.next()
	}
}

// arriving is the row that the node asks for, and whose place it may take; nil: nobody's. Whether somebody has the
// name PostgreSQL knows. Errors: postgres.ErrDeparted.
func (t *Tracker) arriving(r *controllog.Renew) (row postgres.Member, over *postgres.Member, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row = postgres.Member{
		Node: r.Node, Tier: r.Tier, Region: r.Region, Addr: r.Addr, Instance: r.Instance, State: postgres.MemberServing,
	}
	if r.Applied <= t.mu.seen.newest() {
		row.Applied = r.Applied
	}
	if r.Replaces != "" {
		over = &postgres.Member{Instance: r.Replaces}
	}
	m := t.mu.members[r.Node]
	switch {
	case m != nil && m.row.Instance == r.Instance && !m.left.IsZero():
		return row, nil, postgres.ErrDeparted
	case m == nil || m.row.Instance == r.Instance || m.row.Instance == r.Replaces:
	case !m.left.IsZero():
		over = &postgres.Member{Instance: m.row.Instance}
	default:
		if before, free := t.free(m); free {
			over = &before
		}
	}
	return row, over, nil
}

// free reports whether the member's row may be taken in the state that is returned. The mutex is held.
//
// INVARIANT: from then on a grant needs a new note in the row, which is found missing or changes the row: so either
// the lease is granted or the row is taken.
func (t *Tracker) free(m *member) (row postgres.Member, free bool) {
	if t.now().Before(m.over()) {
		return row, false
	}
	m.confirmed = time.Time{}
	return m.row, true
}

// refuse notes who asked for a name that is taken. The mutex is held.
func (t *Tracker) refuse(r *controllog.Renew, since time.Time) error {
	taken := &TakenError{Node: r.Node, Since: since}
	if m := t.mu.members[r.Node]; m != nil {
		m.rival = Rival{Node: r.Node, Tier: r.Tier, Region: r.Region, Addr: r.Addr, At: t.now(), Reason: taken.Error()}
	}
	return taken
}

// Rivals are those that asked for a name that was taken, since then.
func (t *Tracker) Rivals(since time.Time) []Rival {
	t.mu.Lock()
	defer t.mu.Unlock()
	var rivals []Rival
	for _, m := range t.mu.members {
		if m.rival.At.After(since) {
			rivals = append(rivals, m.rival)
		}
	}
	return rivals
}

// Leave takes that the node's process has drained: purges do not wait for it any more. Depart removes its row.
//
// INVARIANT: another process of that name stays what it is.
func (t *Tracker) Leave(r *controllog.Renew) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.mu.members[r.Node]; m.is(r) {
		m.left = t.now()
		t.gone(r.Node)
		t.change(m, ChangeLeft)
	}
}

// Depart removes the row of a process that has left, so that its successor need not wait. If that fails, a refresh does
// it. Errors: those of the store.
func (t *Tracker) Depart(ctx context.Context, r *controllog.Renew) error {
	if err := t.store.Leave(ctx, r.Node, r.Instance, time.Time{}); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.mu.members[r.Node]; m != nil && m.row.Instance == r.Instance && !m.left.IsZero() {
		t.drop(m)
	}
	return nil
}

// remove is Depart for a member whose row could not be removed when it left.
//
// INVARIANT: only the registration is removed that left, which has the process's instance and that time: the name
// may have been taken since, at another control node.
func (t *Tracker) remove(ctx context.Context, row postgres.Member) error {
	if err := t.store.Leave(ctx, row.Node, row.Instance, row.Registered); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.mu.members[row.Node]; m != nil && m.same(&row) {
		t.drop(m)
	}
	return nil
}

// Remove ends the membership of a node that is gone for good. Errors: ErrLive, ErrUnknown, those of the store.
//
// INVARIANT: its row goes only when no control node may have granted it a lease that is not over, nor will: who
// grants needs the row.
func (t *Tracker) Remove(ctx context.Context, node string) error {
	row, err := t.removable(node)
	if err != nil {
		return err
	}
	if err := t.store.Remove(ctx, row); errors.Is(err, postgres.ErrConflict) {
		return ErrLive
	} else if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.mu.members[node]; m != nil && m.same(&row) {
		t.drop(m)
	}
	return nil
}

func (t *Tracker) removable(node string) (postgres.Member, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.mu.members[node]
	if m == nil || !m.left.IsZero() {
		return postgres.Member{}, ErrUnknown
	}
	row, free := t.free(m)
	if !free {
		return postgres.Member{}, ErrLive
	}
	return row, nil
}
