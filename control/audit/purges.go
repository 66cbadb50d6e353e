package audit

import (
	"cmp"
	"slices"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// maxScopes bounds the scopes that are remembered. When there are more, the older half is forgotten: what was stamped
// before is then judged in part.
const maxScopes = 1 << 20

// purges is what PostgreSQL says was purged. It is an index of its own, simple where that of a node is fast, so that one
// that forgets something does not agree with itself. It is for one goroutine.
type purges struct {
	scopes map[object.Scope]marks
	all    marks   // of everything
	holes  []hole  // stamps that were never given
	log    []entry // by epoch
	limit  int     // of scopes
	// exact is the epoch from which on all purges are known.
	exact uint64
}

// marks are the epochs of the last purges of a scope.
type marks struct{ hard, soft uint64 }

type hole struct{ from, to uint64 }

// entry is when an entry of the log was numbered.
type entry struct {
	epoch uint64
	at    time.Time
}

func newPurges(limit int) *purges {
	return &purges{scopes: make(map[object.Scope]marks), limit: limit}
}

// through is the last epoch that is known of.
func (p *purges) through() uint64 {
	if len(p.log) == 0 {
		return 0
	}
	return p.log[len(p.log)-1].epoch
}

// startAt says that entries through floor are not known, however far one had got.
func (p *purges) startAt(floor uint64) {
	if floor > p.through() {
		p.exact = max(p.exact, floor)
	}
}

// add takes the next row of the log.
func (p *purges) add(row *controllog.Row) {
	e, _ := row.Entry() // what cannot be read purges everything, as it does on each node
	switch e.Kind {
	case controllog.KindPurge:
		for i := range e.Scopes {
			p.mark(e.Scopes[i], e.Epoch, e.Mode)
		}
	case controllog.KindTerm:
		p.holes = append(p.holes, hole{e.Prev, e.Epoch})
		switch {
		case e.Term == nil || e.Term.Purge == invalidation.Hard.String():
			p.mark(invalidation.AllScope(), e.Epoch, invalidation.Hard)
		case e.Term.Purge != "":
			p.mark(invalidation.AllScope(), e.Epoch, invalidation.Soft)
		}
	}
	p.log = append(p.log, entry{e.Epoch, e.Time})
	if len(p.scopes) > p.limit {
		p.forget()
	}
}

// mark notes a purge. Epochs only grow.
func (p *purges) mark(scope object.Scope, epoch uint64, mode invalidation.Mode) {
	set := func(m *marks) {
		if mode == invalidation.Soft {
			m.soft = epoch
		} else {
			m.hard = epoch
		}
	}
	if scope == invalidation.AllScope() {
		set(&p.all)
		return
	}
	m := p.scopes[scope]
	set(&m)
	p.scopes[scope] = m
}

// forget drops the older half of the scopes.
func (p *purges) forget() {
	epochs := make([]uint64, 0, len(p.scopes))
	for _, m := range p.scopes {
		epochs = append(epochs, max(m.hard, m.soft))
	}
	slices.Sort(epochs)
	limit := epochs[len(epochs)/2]
	for scope, m := range p.scopes {
		if max(m.hard, m.soft) <= limit {
			delete(p.scopes, scope)
		}
	}
	p.exact = max(p.exact, limit)
	from, _ := p.find(limit)
	p.log = slices.Clone(p.log[from:])
}

// missed is the purge that makes a response unfit for what it is used for.
type missed struct {
	epoch uint64
	mode  invalidation.Mode
	lost  bool // the stamp is of a branch of the log that was lost
}

// judge is what the log says of a response: nil when no purge concerns it, else the last hard one that does or, if there
// is none, the last soft one.
func (p *purges) judge(stamp uint64, scopes []object.Scope) *missed {
	for _, h := range p.holes {
		if h.from < stamp && stamp < h.to {
			return &missed{epoch: h.to, mode: invalidation.Hard, lost: true}
		}
	}
	last := p.all
	for i := range scopes {
		m := p.scopes[scopes[i]]
		last.hard, last.soft = max(last.hard, m.hard), max(last.soft, m.soft)
	}
	switch {
	case stamp < last.hard:
		return &missed{epoch: last.hard, mode: invalidation.Hard}
	case stamp < last.soft:
		return &missed{epoch: last.soft, mode: invalidation.Soft}
	}
	return nil
}

// at is when an entry was numbered; zero when that is not known any more.
func (p *purges) at(epoch uint64) time.Time {
	if i, ok := p.find(epoch); ok {
		return p.log[i].at
	}
	return time.Time{}
}

func (p *purges) find(epoch uint64) (int, bool) {
	return slices.BinarySearchFunc(p.log, epoch, func(e entry, epoch uint64) int { return cmp.Compare(e.epoch, epoch) })
}
