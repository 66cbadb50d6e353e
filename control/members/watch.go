package members

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tiercache/control/client"
	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// Watch follows what the members make of one epoch. Stop it.
type Watch struct {
	tracker *Tracker
	epoch   uint64
	since   time.Time // receipts count from here
	fenceAt time.Time // then each member has applied the epoch or holds no lease
	done    chan struct{}

	// Guarded by the tracker's mutex.
	nodes   []client.Receipt // by node
	pending int
}

// Watch begins to follow an epoch that this node has seen. since is when the write was begun, from which
// receipts count their milliseconds; zero: when this node first saw the epoch. Errors: ErrNotSeen, those of
// the Store.
//
// INVARIANT: the members are read after the epoch was sequenced, and from PostgreSQL, where all control
// nodes register them. One that is not among them commits its row later, and reads a head that covers the
// epoch later still, before it serves.
func (t *Tracker) Watch(ctx context.Context, epoch uint64, since time.Time) (*Watch, error) {
	if t.newest() < epoch {
		return nil, fmt.Errorf("%w: %d", ErrNotSeen, epoch)
	}
	order := t.begin()
	rows, err := t.store.Members(ctx)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.merge(rows, order)
	at, _ := t.mu.seen.at(epoch)
	if since.IsZero() {
		since = at
	}
	w := &Watch{tracker: t, epoch: epoch, since: since, fenceAt: at.Add(controllog.FenceTime), done: make(chan struct{})}
	for i := range rows {
		w.nodes = append(w.nodes, w.receipt(&rows[i]))
	}
	slices.SortFunc(w.nodes, func(a, b client.Receipt) int { return strings.Compare(a.Node, b.Node) })
	for i := range w.nodes {
		if w.nodes[i].State == client.StatePending {
			w.pending++
		}
	}
	if w.pending == 0 {
		close(w.done)
		return w, nil
	}
	at0, _ := slices.BinarySearchFunc(t.mu.watches, epoch, byEpoch)
	t.mu.watches = slices.Insert(t.mu.watches, at0, w)
	return w, nil
}

func byEpoch(w *Watch, epoch uint64) int { return cmp.Compare(w.epoch, epoch) }

// receipt is what the member of that row makes of the epoch now. One that is no member any more has left, or
// cannot hold a lease. The mutex is held.
func (w *Watch) receipt(row *postgres.Member) client.Receipt {
	now, m := w.tracker.now(), w.tracker.mu.members[row.Node]
	r := client.Receipt{Node: row.Node, Tier: row.Tier, Region: row.Region, State: client.StatePending}
	switch {
	case m != nil && m.applied >= w.epoch:
		r.State = client.StateApplied
		r.MS = w.ms(m.appliedAt(w.epoch))
	case m == nil, !m.left.IsZero(), !now.Before(w.fenceAt):
		r.State = client.StateFenced
		r.MS = w.ms(now)
	}
	return r
}

// ms is how long it took until at; at least 0.
func (w *Watch) ms(at time.Time) int64 { return max(0, at.Sub(w.since).Milliseconds()) }

// settle ends a member's waiting: it has applied the epoch, or it has left. The mutex is held.
func (t *Tracker) settle(w *Watch, node string, at time.Time, applied bool) {
	i, found := slices.BinarySearchFunc(w.nodes, node, func(r client.Receipt, node string) int { return strings.Compare(r.Node, node) })
	if !found || w.nodes[i].State != client.StatePending {
		return
	}
	w.nodes[i].State, w.nodes[i].MS = client.StateFenced, w.ms(at)
	if applied {
		w.nodes[i].State = client.StateApplied
	}
	if w.pending--; w.pending == 0 {
		close(w.done)
		t.unwatch(w)
	}
}

// gone ends all waiting for a node that serves no more. The mutex is held.
func (t *Tracker) gone(node string) {
	for _, w := range slices.Clone(t.mu.watches) {
		t.settle(w, node, t.now(), false)
	}
}

// unwatch takes a watch out of the list. The mutex is held.
func (t *Tracker) unwatch(w *Watch) {
	t.mu.watches = slices.DeleteFunc(t.mu.watches, func(other *Watch) bool { return other == w })
}

// Stop ends the watch; its receipts stay as they are.
func (w *Watch) Stop() {
	w.tracker.mu.Lock()
	defer w.tracker.mu.Unlock()
	w.tracker.unwatch(w)
}

// Receipts are the receipts at this moment, by tier and node.
func (w *Watch) Receipts() client.Receipts {
	t := w.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.now(); w.pending > 0 && !now.Before(w.fenceAt) {
		for i := range w.nodes {
			t.settle(w, w.nodes[i].Node, now, false)
		}
	}
	r := client.Receipts{Epoch: w.epoch, State: client.StateComplete, Nodes: slices.Clone(w.nodes)}
	for i := range r.Nodes {
		if m := t.mu.members[r.Nodes[i].Node]; m != nil && r.Nodes[i].State != client.StateApplied {
			r.Nodes[i].Heard = m.renewed.Round(0) // by the wall clock: others read it
		}
	}
	if w.pending > 0 {
		r.State = client.StatePending
	}
	slices.SortStableFunc(r.Nodes, func(a, b client.Receipt) int { return cmp.Compare(rank(a.Tier), rank(b.Tier)) })
	return r
}

// Wait returns the receipts once they are complete, or as they are when ctx ends.
func (w *Watch) Wait(ctx context.Context) client.Receipts {
	fence := time.NewTimer(w.fenceAt.Sub(w.tracker.now()))
	defer fence.Stop()
	select {
	case <-w.done:
	case <-fence.C:
	case <-ctx.Done():
	}
	return w.Receipts()
}

// Receipts are those of all members for an epoch, as they are now or, when wait is not zero, once they are
// complete or that time is over. Errors: those of Watch.
func (t *Tracker) Receipts(ctx context.Context, epoch uint64, wait time.Duration) (client.Receipts, error) {
	w, err := t.Watch(ctx, epoch, time.Time{})
	if err != nil {
		return client.Receipts{}, err
	}
	defer w.Stop()
	if wait <= 0 {
		return w.Receipts(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return w.Wait(ctx), nil
}

func (t *Tracker) newest() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.seen.newest()
}

// rank orders tiers from the origin out to the clients.
func rank(tier string) int { return slices.Index([]string{"origin", "regional", "edge"}, tier) }
