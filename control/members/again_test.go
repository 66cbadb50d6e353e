package members

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// A Join goes to all control nodes, and is repeated over HTTP: it comes again while its process holds a lease from
// before the purge 11.
func TestJoin_OneThatComesAgainEndsNoWaiting(t *testing.T) {
	for _, at := range []string{"the same control node", "another control node", "another one that does not know it"} {
		t.Run(at, func(t *testing.T) {
			store, one, other, c := two(t)
			one.Saw(10, c.now())
			other.Saw(10, c.now())
			join(t, one, "a", 10)
			grant(t, one, renewal("a", 10))
			second := one
			switch at {
			case "another control node":
				second = other
				refresh(t, other)
			case "another one that does not know it":
				second = other
			}
			c.pass(50 * time.Millisecond)
			one.Saw(11, c.now())
			other.Saw(11, c.now())
			before := membersOf(t, store)[0]
			w, elsewhere := watch(t, one, 11), watch(t, other, 11)
			join(t, second, "a", 9)
			for _, tr := range []*Tracker{one, other} {
				if err := tr.save(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				refresh(t, tr)
			}
			expect(t, w, "pending a:pending")
			expect(t, elsewhere, "pending a:pending")
			expect(t, watch(t, one, 11), "pending a:pending")
			if now := membersOf(t, store)[0]; !now.Registered.Equal(before.Registered) || !now.Seen.After(before.Seen) || now.Applied != 10 {
				t.Errorf("the row is %+v, and was %+v", now, before)
			}
			for _, tr := range []*Tracker{one, other} {
				if got := tr.Report(renewal("a", 10)); got != Known {
					t.Errorf("standing %v", got)
				}
			}
			one.Report(renewal("a", 11))
			expect(t, w, "complete a:applied")
		})
	}
}

// The next process has the name, knowing that the one before has ended, before that one's Join has returned here.
func TestJoin_ThatIsOvertakenByTheNextProcess(t *testing.T) {
	store, one, other, c := two(t)
	one.Saw(10, c.now())
	var w *Watch
	store.joined = func() {
		next := said("a", "second", 10)
		next.Replaces = "first"
		joinAs(t, other, next)
		refresh(t, one)
		grant(t, one, next)
		one.Saw(11, c.now())
		w = watch(t, one, 11)
	}
	join(t, one, "a", 10)
	expect(t, w, "pending a:pending")
	if _, err := one.Grant(t.Context(), renewal("a", 10)); !errors.Is(err, ErrUnknown) {
		t.Errorf("the first is granted a lease: %v", err)
	}
	if got := one.Report(said("a", "second", 10)); got != Known {
		t.Errorf("standing of the second: %v", got)
	}
}

// What a process has asked for before it left comes after that.
func TestJoin_AfterItsProcessHasLeft(t *testing.T) {
	refused := func(t *testing.T, store Store, tr *Tracker) {
		t.Helper()
		if err := tr.Join(t.Context(), renewal("a", 10)); !errors.Is(err, postgres.ErrDeparted) {
			t.Errorf("joins: %v", err)
		}
		refresh(t, tr)
		if got := registered(t, store, "a"); got != "" || len(tr.Members()) != 0 {
			t.Errorf("one that has left is a member again: %q, %+v", got, tr.Members())
		}
	}
	depart := func(t *testing.T, tr *Tracker) {
		t.Helper()
		tr.Leave(renewal("a", 10))
		if err := tr.Depart(t.Context(), renewal("a", 10)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("at the same control node", func(t *testing.T) {
		store, one, _, _ := two(t)
		join(t, one, "a", 10)
		depart(t, one)
		refused(t, store, one)
	})
	t.Run("its row could not be removed yet", func(t *testing.T) {
		store, one, _, _ := two(t)
		join(t, one, "a", 10)
		one.Leave(renewal("a", 10))
		refused(t, store, one)
	})
	t.Run("at a control node that has not heard it leave", func(t *testing.T) {
		store, one, other, _ := two(t)
		join(t, one, "a", 10)
		refresh(t, other)
		depart(t, one)
		refused(t, store, other)
	})
	t.Run("it leaves while it joins", func(t *testing.T) {
		store, one, _, _ := two(t)
		join(t, one, "a", 10)
		store.joined = func() { one.Leave(renewal("a", 10)) }
		refused(t, store, one)
	})
	t.Run("it leaves elsewhere while it joins", func(t *testing.T) {
		store, one, other, _ := two(t)
		join(t, one, "a", 10)
		store.joined = func() { depart(t, other) }
		_ = one.Join(t.Context(), renewal("a", 10)) // whose answer nobody waits for
		refresh(t, one)
		if got := registered(t, store, "a"); got != "" || len(one.Members()) != 0 {
			t.Errorf("one that has left is a member again: %q, %+v", got, one.Members())
		}
	})
	t.Run("at a control node that was started since, and its name is free", func(t *testing.T) {
		store, one, _, _ := two(t)
		join(t, one, "a", 10)
		depart(t, one)
		fresh, _ := track(t, store)
		refused(t, store, fresh)
		joinAs(t, fresh, said("a", "second", 10))
		if err := taken(fresh, renewal("a", 10)); err != nil {
			t.Errorf("while the next process has the name: %v", err)
		}
	})
}

// One that was removed, and lives, joins again: that ends what waited for its registration of before, whose leases were
// over.
func TestJoin_AfterARemoval(t *testing.T) {
	store, one, other, c := two(t)
	one.Saw(10, c.now())
	join(t, one, "a", 10)
	before := membersOf(t, store)[0]
	refresh(t, other)
	one.Saw(11, c.now())
	w := watch(t, one, 11)
	c.pass(confirmTime + controllog.FenceTime)
	if err := other.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	join(t, other, "a", 11)
	refresh(t, one)
	expect(t, w, "complete a:fenced")
	if now := membersOf(t, store)[0]; !now.Registered.After(before.Registered) {
		t.Errorf("registered %v, and before %v", now.Registered, before.Registered)
	}
}

// Both control nodes hear the first, and a Join that comes again hides what the other one has noted in its row.
func TestJoin_OneThatComesAgainMayHideANote(t *testing.T) {
	_, one, other, c := two(t)
	join(t, one, "a", 0)
	refresh(t, other)
	c.pass(time.Hour)
	if got := other.Report(renewal("a", 0)); got != Known {
		t.Errorf("standing %v", got)
	}
	if err := other.save(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	join(t, one, "a", 0)
	c.pass(confirmTime)
	grant(t, other, renewal("a", 0)) // which is in no row
	c.pass(controllog.FenceTime - 1)
	if err := taken(one, said("a", "second", 0)); err != nil {
		t.Errorf("while that lease may run: %v", err)
	}
	c.pass(1)
	joinAs(t, one, said("a", "second", 0))
}

// A drain outlives a Join that comes again, and ends with the process.
func TestDrain_OutlivesAJoinThatComesAgain(t *testing.T) {
	tr, _ := track(t, openStore(t))
	join(t, tr, "a", 0)
	if err := tr.Drain(t.Context(), "a", true); err != nil {
		t.Fatal(err)
	}
	join(t, tr, "a", 0)
	refresh(t, tr)
	if !grant(t, tr, renewal("a", 0)).Drain {
		t.Error("it is in rotation again")
	}
	next := said("a", "second", 0)
	next.Replaces = "first"
	joinAs(t, tr, next)
	if grant(t, tr, next).Drain {
		t.Error("the next process is drained")
	}
}

func TestSubscribe_AProcessJoinsOnce(t *testing.T) {
	_, one, other, _ := two(t)
	var joined []string
	for _, tr := range []*Tracker{one, other} {
		defer tr.Subscribe(func(c Change) { joined = append(joined, c.Kind) })()
	}
	join(t, one, "a", 0)
	refresh(t, other)
	for _, tr := range []*Tracker{one, other, one, other} {
		join(t, tr, "a", 0)
		tr.tell()
	}
	if got := fmt.Sprint(joined); got != "[joined joined]" { // once at each
		t.Error(got)
	}
}
