package members

import "testing"

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
