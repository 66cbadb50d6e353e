package members

import (
	"context"
	"errors"
	"testing"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// hooked is a store that stops where a test wants something to happen.
type hooked struct {
	*postgres.Store
	read   func() // after the rows were read, before they are returned
	leave  func() // before a row is removed of one that has left
	remove func() // before any other is
	join   func() // before one joins
	joined func() // when it has
}

func call(hook *func()) {
	if f := *hook; f != nil {
		*hook = nil
		f()
	}
}

func (h *hooked) Members(ctx context.Context) ([]postgres.Member, error) {
	rows, err := h.Store.Members(ctx)
	call(&h.read)
	return rows, err
}

func (h *hooked) Leave(ctx context.Context, node, instance string, registered time.Time) error {
	call(&h.leave)
	return h.Store.Leave(ctx, node, instance, registered)
}

func (h *hooked) Remove(ctx context.Context, m postgres.Member) error {
	call(&h.remove)
	return h.Store.Remove(ctx, m)
}

func (h *hooked) Join(ctx context.Context, m postgres.Member, over *postgres.Member) (postgres.Member, error) {
	call(&h.join)
	row, err := h.Store.Join(ctx, m, over)
	call(&h.joined)
	return row, err
}

// two are two control nodes on one PostgreSQL, with one clock.
func two(t *testing.T) (store *hooked, one, other *Tracker, c *clock) {
	t.Helper()
	store = &hooked{Store: openStore(t)}
	one, c = track(t, store)
	other, _ = track(t, store.Store)
	other.now = c.now
	return store, one, other, c
}

// registered is the instance that has the name in PostgreSQL, empty for none.
func registered(t *testing.T, store Store, node string) string {
	t.Helper()
	rows, err := store.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Node == node {
			return row.Instance
		}
	}
	return ""
}

// A node leaves at one control node and its next process joins at the other one before the first has removed its row.
func TestTwoControlNodes_LeftAtOneAndBackAtTheOther(t *testing.T) {
	store, one, other, c := two(t)
	one.Saw(10, c.now())
	other.Saw(10, c.now())
	join(t, one, "a", 10)
	refresh(t, other)
	if one.Report(renewal("a", 10)) != Known {
		t.Error("not known")
	}
	one.Leave(renewal("a", 10))
	other.Leave(renewal("a", 10)) // all of them hear it, over NATS
	joinAs(t, other, said("a", "second", 10))
	refresh(t, one) // removes who has left
	if got := registered(t, store, "a"); got != "second" {
		t.Fatalf("%q is registered", got)
	}
	one.Saw(11, c.now())
	w := watch(t, one, 11)
	expect(t, w, "pending a:pending")
	if one.Report(said("a", "second", 10)) != Known {
		t.Error("the process that is back is not known")
	}
	grant(t, one, said("a", "second", 10))
	expect(t, w, "pending a:pending")
	one.Report(said("a", "second", 11))
	expect(t, w, "complete a:applied")
}

// What a process says that has left is not taken for a sign of life, while its row is being removed or later.
func TestTracker_WhoHasLeftIsGrantedNothing(t *testing.T) {
	store := &hooked{Store: openStore(t)}
	tr, c := track(t, store)
	tr.Saw(10, c.now())
	join(t, tr, "a", 10)
	tr.Leave(renewal("a", 10))
	late := func() {
		if got := tr.Report(renewal("a", 10)); got != Unknown {
			t.Errorf("standing %v", got)
		}
		if _, err := tr.Grant(t.Context(), renewal("a", 10)); !errors.Is(err, ErrUnknown) {
			t.Errorf("granted: %v", err)
		}
	}
	store.leave = late
	refresh(t, tr)
	if store.leave != nil {
		t.Fatal("its row was not removed")
	}
	late()
	if got := registered(t, store, "a"); got != "" {
		t.Errorf("%q is registered", got)
	}
}

func TestTracker_DepartRemovesTheRowAtOnce(t *testing.T) {
	store, one, other, _ := two(t)
	join(t, one, "a", 0)
	one.Leave(renewal("a", 0))
	if err := one.Depart(t.Context(), renewal("a", 0)); err != nil {
		t.Fatal(err)
	}
	if got := registered(t, store, "a"); got != "" {
		t.Errorf("%q is registered", got)
	}
	joinAs(t, other, said("a", "second", 0)) // need not wait
	refresh(t, one)
	if err := one.Depart(t.Context(), renewal("a", 0)); err != nil || registered(t, store, "a") != "second" || len(one.Members()) != 1 {
		t.Errorf("said again, later: %v, %q is registered", err, registered(t, store, "a"))
	}
}

// A lease is granted only if the row of the registration was there within confirmTime.
func TestGrant_NeedsTheRow(t *testing.T) {
	store, tr, other, c := two(t)
	tr.Saw(10, c.now())
	join(t, tr, "a", 10)
	c.pass(confirmTime)
	grant(t, tr, renewal("a", 10))
	before := membersOf(t, store)[0].Seen
	c.pass(1)
	tr.Report(renewal("a", 10))
	grant(t, tr, renewal("a", 10))
	if seen := membersOf(t, store)[0].Seen; !seen.After(before) {
		t.Error("granted on a note that is too old")
	}
	c.pass(confirmTime)
	grant(t, tr, renewal("a", 10))
	// Another control node has found it silent for long enough.
	if err := store.Store.Remove(t.Context(), membersOf(t, store)[0]); err != nil {
		t.Fatal(err)
	}
	c.pass(1)
	if got := tr.Report(renewal("a", 10)); got != Known {
		t.Fatalf("standing %v", got)
	}
	if _, err := tr.Grant(t.Context(), renewal("a", 10)); !errors.Is(err, ErrUnknown) {
		t.Errorf("granted without a row: %v", err)
	}
	refresh(t, other)
	if got := tr.Report(renewal("a", 10)); got != Unknown {
		t.Errorf("standing %v", got)
	}
}

func membersOf(t *testing.T, store Store) []postgres.Member {
	t.Helper()
	rows, err := store.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// DELETE /v1/fleet/X comes between the standing check and the grant, at the same control node or another one.
func TestRemove_ExcludesAGrant(t *testing.T) {
	store, one, other, c := two(t)
	one.Saw(10, c.now())
	join(t, one, "a", 10)
	refresh(t, other)
	for name, tr := range map[string]*Tracker{"the same": one, "another": other} {
		if err := tr.Remove(t.Context(), "a"); !errors.Is(err, ErrLive) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.pass(confirmTime + controllog.FenceTime)
	store.remove = func() { // it is granted a lease while it is being removed
		if got := one.Report(renewal("a", 10)); got != Known {
			t.Errorf("standing %v", got)
		}
		grant(t, one, renewal("a", 10))
	}
	if err := one.Remove(t.Context(), "a"); !errors.Is(err, ErrLive) || registered(t, store, "a") == "" {
		t.Errorf("removed although it holds a lease: %v", err)
	}
	if err := other.Remove(t.Context(), "a"); !errors.Is(err, ErrLive) || registered(t, store, "a") == "" {
		t.Errorf("removed elsewhere although it holds a lease: %v", err)
	}

	c.pass(confirmTime + controllog.FenceTime)
	refresh(t, other)
	c.pass(confirmTime + controllog.FenceTime)
	if got := one.Report(renewal("a", 10)); got != Known { // its standing is checked
		t.Errorf("standing %v", got)
	}
	if err := other.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Grant(t.Context(), renewal("a", 10)); !errors.Is(err, ErrUnknown) {
		t.Errorf("granted although it was removed: %v", err)
	}
	if err := one.Remove(t.Context(), "a"); !errors.Is(err, ErrUnknown) {
		t.Errorf("removed twice: %v", err)
	}
}

// One that renews but cannot catch up counts as fenced. It may catch up any moment, and then holds a lease.
func TestRemove_NotOneThatRenewsInVain(t *testing.T) {
	tr, c := track(t, openStore(t))
	join(t, tr, "a", 0)
	tr.Saw(10, c.now())
	c.pass(time.Hour)
	tr.Report(renewal("a", 0))
	grant(t, tr, renewal("a", 0))
	if got := tr.Members()[0].Lease; got != LeaseFenced {
		t.Fatalf("lease %s", got)
	}
	if err := tr.Remove(t.Context(), "a"); !errors.Is(err, ErrLive) {
		t.Errorf("%v", err)
	}
}

// Rows that were read before a process joined do not bring back the one before, nor take the new one away.
func TestMerge_OldRowsChangeNothing(t *testing.T) {
	store := &hooked{Store: openStore(t)}
	tr, c := track(t, store)
	tr.Saw(10, c.now())
	join(t, tr, "a", 10)
	store.read = func() {
		tr.Leave(renewal("a", 10))
		joinAs(t, tr, said("a", "second", 10))
		join(t, tr, "b", 10)
	}
	refresh(t, tr)
	for _, r := range []*controllog.Renew{said("a", "second", 10), renewal("b", 10)} {
		if got := tr.Report(r); got != Known {
			t.Errorf("%s: standing %v", r.Node, got)
		}
	}
	// A purge reads the rows, and they are removed before it looks at them.
	tr.Saw(11, c.now())
	store.read = func() {
		for _, r := range []*controllog.Renew{said("a", "second", 10), renewal("b", 10)} {
			tr.Leave(r)
			if err := tr.Depart(t.Context(), r); err != nil {
				t.Error(err)
			}
		}
		refresh(t, tr)
	}
	expect(t, watch(t, tr, 11), "complete a:fenced b:fenced")
}
