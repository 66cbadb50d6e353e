package simulation

import (
	"context"
	"sync"
	"time"

	"tiercache/shared/controllog"
)

// faultsEach is how many faults a run has.
const faultsEach = 6

// beginning is what their beginnings spread over: they last longer than what clients do.
const beginning = 2 * time.Second

// trouble makes faults happen and ends each of them after a while.
type trouble struct {
	world *world
	draw  *chance
	// setBack: the database was set back, or will be. What is lost by that and found again by another time is left out.
	setBack bool
}

// run makes faults, some of which overlap. When it returns, everything is whole again.
func (t *trouble) run(ctx context.Context) {
	var faults sync.WaitGroup
	for range faultsEach {
		if sleep(ctx, t.draw.between(0, 2*beginning/faultsEach)) != nil {
			break
		}
		heal, lasts := t.begin(), t.draw.between(50*time.Millisecond, 2*time.Second)
		if t.draw.in(25) {
			lasts += controllog.FenceTime // longer than a lease
		}
		faults.Go(func() {
			_ = sleep(ctx, lasts) // ends early with the world
			heal()
		})
	}
	faults.Wait()
}

// begin makes one fault.
func (t *trouble) begin() (heal func()) {
	w := t.world
	n := pick(t.draw, w.nodes)
	switch k := t.draw.below(100); {
	case k < 14:
		return t.cut()
	case k < 18:
		return t.late(n)
	case k < 26:
		w.record.note("fault: %s is cut off", n.name)
		if t.draw.in(40) { // somebody tries to mend it
			t.setClock(n)
		}
		return w.net.cutLinks(append(linksFrom(n.name), linksTo(n.name)...)...)
	case k < 34:
		w.record.note("fault: NATS loses messages")
		w.nats.setTrouble(t.draw.below(60), t.draw.below(40), t.draw.below(60))
		return func() { w.nats.setTrouble(0, 0, 0) }
	case k < 38:
		w.record.note("fault: NATS is away")
		w.nats.setDown(true)
		return func() { w.nats.setDown(false) }
	case k < 44:
		return t.slow(n)
	case k < 52:
		w.record.note("fault: %s is paused", n.name)
		return w.net.pause(n.name)
	case k < 66:
		return t.restart(n)
	case k < 71:
		c := pick(t.draw, w.control)
		w.record.note("fault: %s crashes", c.name)
		c.stop()
		return c.start
	case k < 76:
		return t.database()
	case k < 82:
		t.setClock(n)
		return func() {}
	case k < 92:
		return t.store()
	case k < 96:
		w.record.note("fault: the site fails")
		w.failing.Store(true)
		return func() { w.failing.Store(false) }
	}
	w.record.note("fault: the log is compacted")
	w.db.compact(2)
	return func() {}
}

// setClock sets a node's wall clock, forward or back.
func (t *trouble) setClock(n *node) {
	by := int64(t.draw.below(9) - 4)
	t.world.record.note("fault: the clock of %s is set by %d s", n.name, by)
	n.clock.set(by)
}

// linksFrom are the links from a node to what it needs, linksTo those back.
func linksFrom(name string) (links []link) {
	for _, other := range []string{"nats", "control-1", "control-2", "regional-1", "regional-2", "regional-3", "origin", "site"} {
		links = append(links, link{name, other})
	}
	return links
}

func linksTo(name string) (links []link) {
	for _, l := range linksFrom(name) {
		links = append(links, link{l.to, l.from})
	}
	return links
}

// cut cuts one thing from another, often in one direction only.
func (t *trouble) cut() (heal func()) {
	w := t.world
	n := pick(t.draw, w.nodes)
	var links []link
	switch t.draw.below(4) {
	case 0: // from the bus
		links = []link{{n.name, "nats"}, {"nats", n.name}}
	case 1: // from control, on both ways
		links = fromControl(n.name)
	case 2: // control from its database
		c := pick(t.draw, w.control)
		links = []link{{c.name, "postgres"}, {"postgres", c.name}}
	default: // from the next tier
		for _, other := range []string{"regional-1", "regional-2", "regional-3", "origin", "site"} {
			links = append(links, link{n.name, other}, link{other, n.name})
		}
	}
	if t.draw.in(50) { // one way
		way := t.draw.below(2)
		var half []link
		for i, l := range links {
			if i%2 == way {
				half = append(half, l)
			}
		}
		links = half
	}
	w.record.note("fault: cut %v", links)
	return w.net.cutLinks(links...)
}

// late makes what a node hears of control late, and then cuts it off: what it was granted late ends no later.
func (t *trouble) late(n *node) (heal func()) {
	w, by := t.world, t.draw.between(400*time.Millisecond, 900*time.Millisecond)
	w.record.note("fault: %s hears control late by %v, and then nothing", n.name, by)
	hurry := w.net.slowDown(by, link{"nats", n.name}, link{"control-1", n.name}, link{"control-2", n.name})
	return func() {
		hurry()
		w.record.note("fault: and now it is cut off")
		reconnect := w.net.cutLinks(fromControl(n.name)...)
		_ = sleep(w.base, controllog.FenceTime+time.Second) // ends early with the world
		reconnect()
	}
}

// slow makes one direction slow: what comes is old.
func (t *trouble) slow(n *node) (heal func()) {
	by := t.draw.between(100*time.Millisecond, 1500*time.Millisecond)
	links := linksFrom(n.name)
	if t.draw.in(50) {
		links = linksTo(n.name)
	}
	t.world.record.note("fault: %s is slow by %v (%v)", n.name, by, links[0])
	return t.world.net.slowDown(by, links...)
}

// restart ends a node's process, which comes back after a while, with its disk or without.
func (t *trouble) restart(n *node) (heal func()) {
	kill, wipe := t.draw.in(60), t.draw.in(30)
	t.world.record.note("fault: %s ends (killed %v, its disk lost %v)", n.name, kill, wipe)
	n.stop(kill)
	if wipe {
		n.disk.wipe()
	}
	if !t.draw.in(35) {
		return n.start
	}
	w := t.world
	w.record.note("fault: and it finds no control when it comes back")
	reconnect := w.net.cutLinks(fromControl(n.name)...)
	return func() {
		n.start()
		_ = sleep(w.base, 4500*time.Millisecond) // longer than a start waits for control
		reconnect()
	}
}

// fromControl are the links between a node and all ways to control.
func fromControl(name string) (links []link) {
	for _, other := range []string{"nats", "control-1", "control-2"} {
		links = append(links, link{name, other}, link{other, name})
	}
	return links
}

// database restarts PostgreSQL, or sets it back to what it was a while ago.
func (t *trouble) database() (heal func()) {
	w := t.world
	if t.setBack || t.draw.in(60) {
		w.record.note("fault: PostgreSQL crashes")
		w.db.crash()
		return w.db.start
	}
	t.setBack = true
	backup, at := w.db.backup(), time.Now()
	w.record.note("fault: a backup of PostgreSQL is made")
	restore, how := w.db.restore, "restored"
	if t.draw.in(35) {
		restore, how = w.db.crashBack, "started again"
	}
	return func() {
		w.record.restored(at)
		restore(backup)
		w.record.note("fault: PostgreSQL is %s as it was at %v", how, w.since(at))
	}
}

// store makes an L2 go away, lose all, or be what it was a while ago.
func (t *trouble) store() (heal func()) {
	w := t.world
	region := pick(t.draw, []string{"r1", "r2"})
	l2 := w.l2[region]
	switch t.draw.below(3) {
	case 0:
		w.record.note("fault: L2 of %s is away", region)
		l2.setDown(true)
		return func() { l2.setDown(false) }
	case 1:
		w.record.note("fault: L2 of %s is flushed", region)
		l2.restore(nil)
		return func() {}
	}
	dump, at := l2.dump(), time.Now()
	w.record.note("fault: a replica of L2 of %s lags", region)
	return func() {
		l2.restore(dump)
		w.record.note("fault: L2 of %s is what it was at %v", region, w.since(at))
	}
}
