package simulation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"tiercache/control/client"
	"tiercache/loadtests/history"
	"tiercache/shared/controllog"
)

// How much happens in a run.
const (
	clients   = 6
	readsEach = 17
	writers   = 3
	writeEach = 10
	purgers   = 2
	purgeEach = 10
	changes   = 10 // of pages that purge nothing
	policies  = 2
	operation = 3 * time.Second // what they spread over
)

// author writes objects, and changes pages of the site together with a purge of them.
type author struct {
	world *world
	name  string
	draw  *chance
	self  *surfer // who reads what it has written
	ep    *endpoint
	n     int
}

func (w *world) newAuthor(name string) *author {
	a := &author{world: w, name: name, draw: newChance(w.seed, name), ep: newEndpoint(name, "r1"), self: w.newSurfer("reader of " + name)}
	a.self.jar = true
	return a
}

func (a *author) id() string {
	a.n++
	return fmt.Sprintf("%s/%d", a.name, a.n)
}

// work runs transactions.
func (a *author) work(ctx context.Context) {
	for range writeEach {
		if sleep(ctx, a.draw.between(0, 2*operation/writeEach)) != nil {
			return
		}
		page := a.world.pages[a.draw.below(8)]
		if page.own() {
			a.put(ctx, page)
		} else {
			a.change(ctx, page)
		}
	}
}

// put writes an object as the origin does. Some read it at once, some let control find it.
func (a *author) put(ctx context.Context, page *resource) {
	w := a.world
	wr := &history.Write{ID: a.id(), Purges: true, Purge: purgeOf(page), Floors: map[string]int{page.name: w.record.version(page)}}
	tx := w.db.begin()
	tx.put(wr.ID, page, wr.Floors[page.name])
	if !a.end(ctx, tx, wr) || a.draw.in(30) {
		return
	}
	epoch := w.sequenceAtOrigin(ctx, wr.ID)
	w.record.note("%s wrote %s version %d: epoch %d", a.name, page.name, wr.Floors[page.name], epoch)
	if epoch > 0 {
		a.self.keep(epoch)
		a.self.get(ctx, pick(a.draw, w.edges()), page, "")
	}
}

// change makes new versions of some pages of the site and purges what shows them, in one transaction.
func (a *author) change(ctx context.Context, page *resource) {
	w := a.world
	purge := w.drawPurge(a.draw, page)
	wr := &history.Write{ID: a.id(), Purges: true, Purge: purge, Soft: purge.Mode == "soft", Floors: map[string]int{}}
	tx := w.db.begin()
	for _, p := range w.pages[3:8] {
		if covers(&purge, p, "") && a.draw.in(70) {
			wr.Floors[p.name] = w.record.version(p)
			tx.write(p, wr.Floors[p.name])
		}
	}
	tx.invalidate(wr.ID, purge)
	a.end(ctx, tx, wr)
}

// end holds a transaction open for a while and then commits it or rolls it back.
func (a *author) end(ctx context.Context, tx *transaction, wr *history.Write) (committed bool) {
	w := a.world
	if a.draw.in(40) && sleep(ctx, a.draw.between(0, 600*time.Millisecond)) != nil {
		return false
	}
	if a.draw.in(15) {
		wr.RolledBack = true
		w.record.note("%s rolled %s back", a.name, wr.ID)
		w.record.addWrite(wr)
		return false
	}
	return w.commit(tx, wr)
}

// commit commits a transaction, and completes the floors of its purge by what it covers and does not change.
func (w *world) commit(tx *transaction, wr *history.Write) bool {
	err := tx.commit(func(at time.Time) {
		wr.Committed = at
		w.record.versions(tx, at)
		for _, p := range w.pages {
			if _, changed := wr.Floors[p.name]; !changed && !p.own() && covers(&wr.Purge, p, "") {
				wr.Floors[p.name] = w.db.state.present(p.name).n
			}
		}
		w.record.addWrite(wr)
	})
	if err == nil {
		w.record.note("commit %s: %s %s floors %v", wr.ID, mode(wr), shown(&wr.Purge), wr.Floors)
	}
	return err == nil
}

func mode(wr *history.Write) string {
	if wr.Soft {
		return "soft purge"
	}
	return "purge"
}

// shown is a purge in the history.
func shown(p *controllog.Purge) string {
	var parts []string
	for _, u := range p.URLs {
		parts = append(parts, "url "+u.Host+u.Path+u.Query)
	}
	for _, u := range p.Prefixes {
		parts = append(parts, "prefix "+u.Host+u.Path)
	}
	for _, t := range p.Tags {
		parts = append(parts, "tag "+t+" of "+p.Service)
	}
	parts = append(parts, p.Hosts...)
	parts = append(parts, p.Services...)
	if p.All {
		parts = append(parts, "all")
	}
	return strings.Join(parts, ", ")
}

// drawPurge is some purge that covers a page.
func (w *world) drawPurge(draw *chance, page *resource) (p controllog.Purge) {
	if draw.in(40) {
		p.Mode = "soft"
	}
	at := controllog.URL{Host: page.host, Path: page.path}
	switch k := draw.below(100); {
	case k < 40:
		p.URLs = []controllog.URL{at}
	case k < 60:
		p.Tags, p.Service = []string{pick(draw, page.tags)}, page.service
	case k < 75:
		p.Tags = []string{pick(draw, page.tags)}
	case k < 85:
		at.Path = at.Path[:strings.LastIndexByte(at.Path, '/')+1]
		p.Prefixes = []controllog.URL{at}
	case k < 91:
		p.Hosts = []string{page.host}
	case k < 97:
		p.Services = []string{page.service}
	default:
		p.All = true
	}
	return p
}

// sequenceAtOrigin gives the write its epoch and tells the nodes, as the origin does after its commit; 0 when that
// failed.
func (w *world) sequenceAtOrigin(ctx context.Context, id string) (epoch uint64) {
	s := &session{w.db, w.net, w.origin, w.sql}
	var rows []controllog.Row
	err := s.statement(ctx, func(d *database) error {
		before := d.state.head()
		d.moveOutbox()
		rows, epoch = d.state.behind(before), d.state.epochOf(id)
		return nil
	})
	if err != nil {
		return 0
	}
	var message []byte
	for i := range rows {
		entry, _ := rows[i].Entry() // made by this package
		message = controllog.AppendMessage(message, &entry)
	}
	if len(message) > 0 {
		_ = w.nats.connect(w.origin).PublishLog(message) // what is lost is fetched
	}
	return epoch
}

// purger purges through control's API and waits for the receipts.
func (w *world) purger(ctx context.Context, name string) {
	draw, ep := newChance(w.seed, name), newEndpoint(name, "r1")
	var awaited sync.WaitGroup
	defer awaited.Wait()
	for i := range purgeEach {
		if sleep(ctx, draw.between(0, 2*operation/purgeEach)) != nil {
			return
		}
		purge := w.drawPurge(draw, pick(draw, w.pages))
		wr := &history.Write{ID: fmt.Sprintf("%s/%d", name, i+1), Purges: true, Purge: purge, Soft: purge.Mode == "soft", Floors: map[string]int{}}
		tx := w.db.begin()
		if draw.in(60) {
			for _, p := range w.pages[3:8] {
				if covers(&purge, p, "") && draw.in(50) {
					wr.Floors[p.name] = w.record.version(p)
					tx.write(p, wr.Floors[p.name])
				}
			}
		}
		tx.invalidate(wr.ID, purge)
		if w.commit(tx, wr) {
			at := pick(draw, w.control)
			awaited.Go(func() { w.await(ctx, ep, at, wr) })
		}
	}
}

// receiptTime is how long receipts are waited for.
const receiptTime = 4 * time.Second

// await waits for the receipts of a purge as control does.
func (w *world) await(ctx context.Context, ep *endpoint, at *controller, wr *history.Write) {
	k := at.life()
	if k == nil || w.net.hop(ctx, ep, k.ep) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, receiptTime)
	defer cancel()
	if _, err := k.sequencer.Head(ctx); err != nil {
		return
	}
	epoch, ok := k.sequencer.EpochOf(wr.ID)
	if !ok {
		return
	}
	watch, err := k.members.Watch(ctx, epoch, time.Time{})
	if err != nil {
		return
	}
	defer watch.Stop()
	receipts := watch.Wait(ctx)
	if k.ep.ended() || receipts.State != client.StateComplete {
		return
	}
	w.record.complete(wr, receipts)
	w.record.note("complete %s: epoch %d, receipts %v", wr.ID, epoch, wr.Receipts)
	w.checkReceipts(wr, epoch)
}

// changer makes new versions of pages that purge nothing.
func (w *world) changer(ctx context.Context) {
	draw := newChance(w.seed, "changer")
	for range changes {
		if sleep(ctx, draw.between(0, 2*operation/changes)) != nil {
			return
		}
		page := w.pages[8+draw.below(2)]
		tx := w.db.begin()
		n := w.record.version(page)
		tx.write(page, n)
		_ = tx.commit(func(at time.Time) { // or the database is away
			w.record.versions(tx, at)
			w.record.note("%s is version %d", page.name, n)
		})
	}
}

// activator puts other service documents into force.
func (w *world) activator(ctx context.Context) {
	draw := newChance(w.seed, "activator")
	for i := range policies {
		if sleep(ctx, draw.between(0, 2*operation/policies)) != nil {
			return
		}
		w.activate(i + 2)
	}
}

func (w *world) activate(version int) {
	tx := w.db.begin()
	for _, change := range services(version, w.strict) {
		tx.activate(fmt.Sprintf("service/%s/%d", change.Name, version), change)
	}
	_ = tx.commit(func(time.Time) { w.record.note("services are version %d", version) }) // or the database is away
}
