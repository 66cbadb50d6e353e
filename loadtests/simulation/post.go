package simulation

import (
	"slices"
	"sync"
	"time"
)

// post has messages arrive when they are due. One goroutine does it as long as there are any: a timer for each message
// would begin one for each.
type post struct {
	mu      sync.Mutex
	waiting []letter      // the first that is due in front
	awake   bool          // somebody carries them
	ended   bool          // nobody does any more
	sooner  chan struct{} // tells who does that an earlier one has come
}

// letter is a message on its way.
type letter struct {
	due    time.Time
	arrive func()
}

// add has arrive called after d.
func (p *post) add(d time.Duration, arrive func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	due := time.Now().Add(d)
	at := len(p.waiting) // of those that are due at one moment, the first comes first
	for at > 0 && p.waiting[at-1].due.After(due) {
		at--
	}
	p.waiting = slices.Insert(p.waiting, at, letter{due, arrive})
	switch {
	case !p.awake:
		p.awake = true
		if p.sooner == nil {
			p.sooner = make(chan struct{}, 1)
		}
		go p.carry()
	case at == 0:
		p.wake()
	}
}

// wake has who carries messages look again. p.mu is held.
func (p *post) wake() {
	select {
	case p.sooner <- struct{}{}:
	default:
	}
}

// end loses what is under way.
func (p *post) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.waiting = true, nil
	if p.awake {
		p.wake()
	}
}

// carry has what is due arrive, until there is nothing left.
func (p *post) carry() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		l, next, ok := p.next()
		switch {
		case !ok:
			return
		case l != nil:
			l()
			continue
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-p.sooner:
		}
	}
}

// next is what is due, or how long that takes; false when nothing ever is.
func (p *post) next() (arrive func(), in time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.awake = false
		return nil, 0, false
	}
	if in = time.Until(p.waiting[0].due); in > 0 {
		return nil, in, true
	}
	arrive = p.waiting[0].arrive
	p.waiting = slices.Delete(p.waiting, 0, 1)
	return arrive, 0, true
}
