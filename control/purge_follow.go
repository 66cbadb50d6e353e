package control

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"tiercache/control/client"
	"tiercache/control/members"
	"tiercache/control/postgres"
	"tiercache/shared/telemetry"
)

const (
	// maxPurges bounds the purges in progress; one above that is refused. A purge is in progress until each
	// member has applied it or is fenced, so for controllog.FenceTime at most while PostgreSQL is there.
	maxPurges = 4096

	// followTimeout bounds how long a purge is followed. Who asks later is told what is known then.
	followTimeout = time.Minute

	// followRetry is how long to wait for PostgreSQL before the next try.
	followRetry = 200 * time.Millisecond
)

// purges follows each purge until it is complete, and keeps its receipts then, whether or not its client waits.
type purges struct {
	control *Control
	slots   chan struct{} // holds one for each purge in progress
	took    *telemetry.Durations

	base   context.Context // ends when the node stops
	cancel context.CancelFunc
	group  sync.WaitGroup
}

// The label values of the histogram.
const (
	tookApplied = iota
	tookFenced
)

func newPurges(c *Control) *purges {
	p := &purges{control: c, slots: make(chan struct{}, maxPurges)}
	p.took = c.tel.NewDurations("tiercache_purge_duration",
		"How long purges took from the request until every node had applied them or was fenced.", "result", "applied", "fenced")
	p.base, p.cancel = context.WithCancel(context.Background())
	return p
}

// run ends what is followed when ctx ends.
func (p *purges) run(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	p.cancel()
	p.group.Wait()
	return nil
}

// reserve makes room for a purge in progress, false when there is none.
func (p *purges) reserve() bool {
	select {
	case p.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p *purges) release() { <-p.slots }

// progress is a purge in progress.
type progress struct {
	ready chan struct{} // closed once epoch and watch are set, or will not be
	epoch uint64
	watch *members.Watch // nil when control could not follow the purge
}

// follow goes on with a purge that is committed; began is when it was not yet, zero for one that was
// committed by an earlier request. The slot that was reserved is
// released at the end.
func (p *purges) follow(record postgres.PurgeRecord, began time.Time) *progress {
	g := &progress{ready: make(chan struct{})}
	p.group.Go(func() {
		defer p.release()
		ctx, cancel := context.WithTimeout(p.base, followTimeout)
		defer cancel()
		p.start(ctx, record, began, g)
		close(g.ready)
		if g.watch == nil {
			return
		}
		defer g.watch.Stop()
		receipts := g.watch.Wait(ctx)
		if receipts.State != client.StateComplete {
			return
		}
		if !began.IsZero() {
			p.took.Record(slowest(receipts), time.Since(began))
		}
		p.finish(ctx, record.ID, receipts)
	})
	return g
}

// start finds the purge's epoch and watches it, trying until that works.
func (p *purges) start(ctx context.Context, record postgres.PurgeRecord, began time.Time, g *progress) {
	c := p.control
	for {
		epoch, err := c.lastEpoch(ctx, record)
		if err == nil {
			g.epoch = epoch
			if g.watch, err = c.members.Watch(ctx, epoch, began); err == nil {
				return
			}
		}
		retry := time.NewTimer(followRetry)
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
			return
		}
	}
}

// lastEpoch is the epoch of a purge's last entry, for which it sequences what is committed.
func (c *Control) lastEpoch(ctx context.Context, record postgres.PurgeRecord) (uint64, error) {
	switch {
	case record.Last != 0 && record.Last <= c.sequencer.Applied():
		return record.Last, nil
	case record.Last != 0:
		_, err := c.sequencer.Head(ctx) // so that this node has seen it
		return record.Last, err
	case record.Entries == 1:
		return c.epochOf(ctx, record.ID+"/0")
	}
	if _, err := c.epochOf(ctx, record.ID+"/"+strconv.Itoa(record.Entries-1)); err != nil {
		return 0, err
	}
	again, err := c.store.Purge(ctx, record.ID)
	if err == nil && again.Last == 0 {
		err = postgres.ErrNotFound
	}
	return again.Last, err
}

// slowest is the label of a purge: whether some node was fenced.
func slowest(r client.Receipts) int {
	for i := range r.Nodes {
		if r.Nodes[i].State == client.StateFenced {
			return tookFenced
		}
	}
	return tookApplied
}

// finish keeps the receipts of a complete purge. That may fail: they are made anew for who asks then.
func (p *purges) finish(ctx context.Context, id string, receipts client.Receipts) {
	encoded, err := json.Marshal(receipts)
	if err == nil {
		err = p.control.store.FinishPurge(ctx, id, encoded)
	}
	if err != nil && ctx.Err() == nil {
		p.control.node.Log.Warn("the receipts of a purge were not kept", "id", id, "error", err)
	}
}
