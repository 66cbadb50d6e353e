package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Result is what a run has shown.
type Result struct {
	Seed       uint64
	Violations []string
	Reads      int // that were answered with content
	Writes     int // that were committed
	record     *record
}

// run runs the fleet of a seed until its end and judges it. flaws are those of the database's double. It must be called in
// a bubble of testing/synctest.
func run(seed uint64, flaws flaws) *Result {
	w := newWorld(seed, flaws)
	defer w.end()
	if err := w.begin(); err != nil {
		return w.result(err)
	}
	w.group.Go(func() { w.watchLeases(w.base) })
	w.operate()
	if err := w.settle(); err != nil {
		return w.result(err)
	}
	w.probe()
	return w.result(nil)
}

// begin fills the database, starts everything and waits until all nodes serve.
func (w *world) begin() error {
	tx := w.db.begin()
	for _, p := range w.pages {
		tx.write(p, w.record.version(p))
	}
	_ = tx.commit(func(at time.Time) { w.record.versions(tx, at) }) // the database is there
	w.activate(1)
	for _, c := range w.control {
		c.start()
	}
	// Not in step: what is due at one moment comes in an order that nobody can have again.
	draw := newChance(w.seed, "starts")
	for _, n := range w.nodes {
		_ = sleep(w.base, draw.between(time.Millisecond, 40*time.Millisecond)) // the world does not end before this
		n.start()
	}
	return w.wait(10*time.Second, func() error {
		for _, n := range w.nodes {
			if !n.process().ready.Load() {
				return fmt.Errorf("%s is not ready", n.name)
			}
		}
		return nil
	})
}

// wait waits for a condition.
func (w *world) wait(within time.Duration, condition func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := condition()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		_ = sleep(w.base, 20*time.Millisecond) // the world does not end before this
	}
}

// operate lets all actors act, and faults happen, until they are done.
func (w *world) operate() {
	var actors sync.WaitGroup
	ctx := w.base
	for i := range clients {
		s := w.newSurfer(fmt.Sprintf("client-%d", i+1))
		actors.Go(func() { s.surf(ctx) })
	}
	for i := range writers {
		a := w.newAuthor(fmt.Sprintf("writer-%d", i+1))
		actors.Go(func() { a.work(ctx) })
	}
	for i := range purgers {
		actors.Go(func() { w.purger(ctx, fmt.Sprintf("purger-%d", i+1)) })
	}
	actors.Go(func() { w.changer(ctx) })
	actors.Go(func() { w.activator(ctx) })
	troubled, mended := context.WithCancel(ctx)
	trouble := &trouble{world: w, draw: newChance(w.seed, "trouble")}
	actors.Go(func() {
		trouble.run(ctx)
		mended()
	})
	last := w.newSurfer("client-last")
	actors.Go(func() { last.linger(troubled) })
	actors.Wait()
}

// settleTime is how long everything may take to be current when all is whole again.
const settleTime = 10 * time.Second

// settle waits until each node has applied the log and holds a lease.
func (w *world) settle() error {
	w.record.note("all is whole")
	defer func() { w.record.note("all is current") }()
	return w.wait(settleTime, func() error {
		w.db.mu.Lock()
		head, waiting := w.db.state.head(), len(w.db.state.outbox)
		w.db.mu.Unlock()
		if waiting > 0 {
			return errors.New("G6: writes have no epoch")
		}
		for _, n := range w.nodes {
			p := n.process()
			switch {
			case p == nil || !p.ready.Load():
				return fmt.Errorf("G6: %s does not serve", n.name)
			case p.follower.Applied() != head:
				return fmt.Errorf("G6: %s has applied %d of %d", n.name, p.follower.Applied(), head)
			case !p.follower.Live(n.clock.now()):
				return fmt.Errorf("G6: %s holds no lease", n.name)
			}
		}
		return nil
	})
}

// probe reads every page at every edge once more.
func (w *world) probe() {
	w.calm.Store(true)
	var surfers sync.WaitGroup
	for _, edge := range w.edges() {
		s := w.newSurfer("probe of " + edge.name)
		s.jar = false
		surfers.Go(func() {
			for _, page := range w.pages {
				s.get(w.base, edge, page, "")
			}
		})
	}
	surfers.Wait()
}

// result judges the run.
func (w *world) result(err error) *Result {
	r := w.record
	if err != nil {
		r.violation("%v within %v", err, settleTime)
	}
	w.judge()
	out := &Result{Seed: w.seed, Violations: slices.Clone(r.found), Reads: len(r.reads), record: r}
	for _, wr := range r.writes {
		if !wr.RolledBack {
			out.Writes++
		}
	}
	return out
}

// end stops everything and waits for it.
func (w *world) end() {
	for _, n := range w.nodes {
		n.stop(true)
	}
	for _, c := range w.control {
		c.stop()
	}
	w.cancel()
	w.group.Wait()
}

// History is what happened, a line each.
func (r *Result) History() string {
	var b strings.Builder
	for _, e := range r.record.events {
		fmt.Fprintf(&b, "%12v  ", e.at.Sub(r.record.start).Round(time.Microsecond))
		fmt.Fprintf(&b, e.format+"\n", e.args...)
	}
	return b.String()
}
