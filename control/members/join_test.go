package members

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tiercache/shared/controllog"
)

// taken is nil when the process is refused since another one has its name.
func taken(tr *Tracker, r *controllog.Renew) error {
	err := tr.Join(context.Background(), r)
	var refused *TakenError
	if !errors.As(err, &refused) || refused.Node != r.Node || refused.Since.IsZero() {
		return fmt.Errorf("joins: %w", err)
	}
	return nil
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
