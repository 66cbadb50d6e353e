package members

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	return h.Store.Join(ctx, m, over)
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

// taken is nil when the process is refused since another one has its name.
func taken(tr *Tracker, r *controllog.Renew) error {
	err := tr.Join(context.Background(), r)
	var refused *TakenError
	if !errors.As(err, &refused) || refused.Node != r.Node || refused.Since.IsZero() {
		return fmt.Errorf("joins: %w", err)
	}
	return nil
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

// A node leaves at one control node and joins again at the other one before the first has removed its row.
func TestTwoControlNodes_LeftAtOneAndBackAtTheOther(t *testing.T) {
	for name, again := range map[string]string{"the next process": "second", "a registration of the same process": "first"} {
		t.Run(name, func(t *testing.T) {
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
			joinAs(t, other, said("a", again, 10))
			refresh(t, one) // removes who has left
			if got := registered(t, store, "a"); got != again {
				t.Fatalf("%q is registered", got)
			}
			one.Saw(11, c.now())
			w := watch(t, one, 11)
			expect(t, w, "pending a:pending")
			if one.Report(said("a", again, 10)) != Known {
				t.Error("the process that is back is not known")
			}
			grant(t, one, said("a", again, 10))
			expect(t, w, "pending a:pending")
			one.Report(said("a", again, 11))
			expect(t, w, "complete a:applied")
		})
	}
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

func TestJoin_ASecondProcessOfTheNameWaitsForTheLeasesOfTheFirst(t *testing.T) {
	tr, c := track(t, openStore(t))
	tr.Saw(10, c.now())
	join(t, tr, "a", 10)
	second := said("a", "second", 10)
	if err := taken(tr, second); err != nil {
		t.Errorf("at once: %v", err)
	}
	if got := tr.Rivals(c.now().Add(-1)); len(got) != 1 || got[0].Addr != "second" || !strings.Contains(got[0].Reason, "another process with the name a is a member since") {
		t.Errorf("rivals %+v", got)
	}
	c.pass(time.Hour)
	tr.Report(renewal("a", 10))
	grant(t, tr, renewal("a", 10))
	c.pass(controllog.FenceTime - 1)
	if err := taken(tr, second); err != nil {
		t.Errorf("while the lease may run: %v", err)
	}
	tr.Leave(second)
	if tr.Report(renewal("a", 10)) != Known {
		t.Error("the late word of another process has unseated the member")
	}
	grant(t, tr, renewal("a", 10))
	tr.Saw(11, c.now())
	w := watch(t, tr, 11)
	if tr.Report(said("a", "second", 11)) != Unknown {
		t.Error("it may renew")
	}
	expect(t, w, "pending a:pending")

	c.pass(controllog.FenceTime)
	joinAs(t, tr, said("a", "second", 11))
	expect(t, w, "complete a:fenced")
	if tr.Report(renewal("a", 11)) != Unknown {
		t.Error("the first is still a member")
	}
	tr.Leave(renewal("a", 11))
	if err := taken(tr, renewal("a", 11)); err != nil {
		t.Errorf("the first takes its name back: %v", err)
	}
	tr.Saw(12, c.now())
	expect(t, watch(t, tr, 12), "pending a:pending")
	if got := tr.Rivals(c.now()); len(got) != 0 {
		t.Errorf("rivals of an hour ago: %+v", got)
	}
}

// A process that knows that the one before it has ended says so.
func TestJoin_TheSuccessorOfAProcessNeedNotWait(t *testing.T) {
	_, one, other, c := two(t)
	join(t, one, "a", 0)
	one.Saw(11, c.now())
	w := watch(t, one, 11)
	next, stranger := said("a", "second", 0), said("a", "third", 0)
	next.Replaces, stranger.Replaces = "first", "fourth"
	if err := taken(one, stranger); err != nil {
		t.Errorf("the successor of another: %v", err)
	}
	joinAs(t, other, next) // which has not even read of the first
	if err := taken(other, stranger); err != nil {
		t.Errorf("the successor of another: %v", err)
	}
	refresh(t, one)
	expect(t, w, "complete a:fenced")
	expect(t, watch(t, one, 11), "pending a:pending")
	if one.Report(renewal("a", 11)) != Unknown || one.Report(next) != Known {
		t.Error("the first is still the member")
	}
}

// Leases that another control node has granted count as well, also those that are in no row yet.
func TestTwoControlNodes_ANameIsFreeWhenNobodyCanHaveGrantedALease(t *testing.T) {
	_, one, other, c := two(t)
	one.Saw(10, c.now())
	join(t, one, "a", 10)
	refresh(t, other)
	second := said("a", "second", 10)

	// The first renews at one, the second asks other, which does not read the rows meanwhile.
	for range 10 {
		c.pass(time.Second)
		one.Report(renewal("a", 10))
		grant(t, one, renewal("a", 10))
		refresh(t, one)
	}
	if err := taken(other, second); err != nil {
		t.Errorf("by what was read ten seconds ago: %v", err)
	}

	// The last that one says of the first is in the rows. It goes on granting as long as it may.
	refresh(t, other)
	c.pass(confirmTime)
	grant(t, one, renewal("a", 10))
	c.pass(controllog.FenceTime - 1)
	if err := taken(other, second); err != nil {
		t.Errorf("while that lease may run: %v", err)
	}
	c.pass(1)
	joinAs(t, other, second)
	if one.Report(renewal("a", 10)) != Known {
		t.Error("one cannot know yet")
	}
	if _, err := one.Grant(t.Context(), renewal("a", 10)); !errors.Is(err, ErrUnknown) {
		t.Errorf("the first is granted another lease: %v", err)
	}
	refresh(t, one)
	if one.Report(second) != Known {
		t.Error("the second is not known at the other control node")
	}
}

// Both control nodes hear the first and note that in its row, the one over the other.
func TestTwoControlNodes_WhoNotesLastRemembersThatTheOtherDid(t *testing.T) {
	_, one, other, c := two(t)
	join(t, one, "a", 0)
	refresh(t, other)
	c.pass(time.Hour)
	for _, tr := range []*Tracker{other, one} {
		if got := tr.Report(renewal("a", 0)); got != Known {
			t.Errorf("standing %v", got)
		}
		if err := tr.save(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	c.pass(confirmTime)
	grant(t, other, renewal("a", 0)) // which is in no row
	c.pass(controllog.FenceTime - 1)
	if err := taken(one, said("a", "second", 0)); err != nil {
		t.Errorf("while that lease may run: %v", err)
	}
	c.pass(1)
	joinAs(t, one, said("a", "second", 0))
}

// The first comes back just when the second takes its name: either the one or the other.
func TestJoin_ExcludesAGrantToTheProcessBefore(t *testing.T) {
	store := &hooked{Store: openStore(t)}
	tr, c := track(t, store)
	tr.Saw(10, c.now())
	join(t, tr, "a", 10)
	c.pass(time.Hour)
	tr.Report(renewal("a", 10)) // kept, since it could not be saved
	c.pass(controllog.FenceTime + confirmTime)
	if err := tr.save(t.Context(), nil); err != nil { // so that the note is young and the name is free
		t.Fatal(err)
	}
	store.join = func() { grant(t, tr, renewal("a", 10)) }
	if err := taken(tr, said("a", "second", 10)); err != nil {
		t.Errorf("the first has just been granted a lease: %v", err)
	}
}

// A control node that has just started knows of no lease, and waits.
func TestJoin_AfterARestartOfControl(t *testing.T) {
	store := openStore(t)
	old, _ := track(t, store)
	join(t, old, "a", 0)
	tr, c := track(t, store)
	c.pass(confirmTime + controllog.FenceTime - 1)
	if err := taken(tr, said("a", "second", 0)); err != nil {
		t.Error(err)
	}
	c.pass(1)
	joinAs(t, tr, said("a", "second", 0))
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

// What a node claims above what this node has seen in the log counts for nothing, until it has seen that.
func TestReport_AClaimAboveTheLog(t *testing.T) {
	store, tr, other, c := two(t)
	tr.Saw(10, c.now())
	join(t, tr, "a", 1000) // in the row, too
	refresh(t, other)
	tr.Saw(11, c.now())
	w := watch(t, tr, 11)
	tr.Report(renewal("a", 1000))
	expect(t, w, "pending a:pending")
	other.Saw(11, c.now())
	refresh(t, tr)
	refresh(t, other)
	expect(t, watch(t, other, 11), "pending a:pending")
	if got := membersOf(t, store)[0].Applied; got != 0 {
		t.Errorf("%d was saved", got)
	}

	// One that is only quicker than this node is believed when its lease is granted.
	tr.Report(renewal("a", 12))
	expect(t, w, "pending a:pending")
	tr.Saw(12, c.now()) // the head is read
	grant(t, tr, renewal("a", 12))
	expect(t, w, "complete a:applied")
}

// A node that was ahead of the log counts as having applied nothing, also by its row, until it has left the branch.
func TestDistrust_Lasts(t *testing.T) {
	tr, c := track(t, openStore(t))
	tr.Saw(20, c.now())
	join(t, tr, "a", 20)
	tr.Report(renewal("a", 20))
	refresh(t, tr) // in its row
	tr.Saw(1001, c.now())
	tr.Distrust(renewal("a", 1000), 1001) // it said 1000, and the log has jumped above that
	refresh(t, tr)
	w := watch(t, tr, 20)
	expect(t, w, "pending a:pending")
	tr.Report(renewal("a", 1000))
	expect(t, w, "pending a:pending")
	tr.Report(renewal("a", 1001))
	expect(t, w, "complete a:applied")
}
