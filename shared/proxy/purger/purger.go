// Package purger asks control to purge what the responses to unsafe methods have made invalid, on behalf of a proxy. It
// gathers what comes within a few milliseconds, keeps one request per service in flight, and bounds how much of that a
// service may cause: whoever can send such methods could else fill every node's index of purges.
//
// It does not decide what is invalid, and does not wait for nodes to apply anything. Start reading at Purger.Purge.
package purger

import (
	"context"
	"sync"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/proxy"
)

const (
	// window is how long the first of a batch waits for others.
	window = 10 * time.Millisecond
	// interval is how long a service's batches are apart, from one's start to the next: each is an entry of the log.
	interval = 100 * time.Millisecond
	// sendTime bounds one request to control. It is longer than anybody waits: what is late is still purged.
	sendTime = 2 * time.Second

	// A service may name so many URLs and groups a second, and at once after a pause.
	itemsPerSecond = 100
	maxBurst       = 1000
	// maxBatchBytes bounds a batch by the bytes of what it names; in JSON they may become six times as many.
	maxBatchBytes = 256 << 10
)

// Send asks control for one purge and returns its epoch.
type Send func(ctx context.Context, what *controllog.Invalidation) (epoch uint64, err error)

// Purger implements proxy.Purger. It is safe for concurrent use.
type Purger struct {
	node string
	send Send

	sending sync.WaitGroup
	mu      struct {
		sync.Mutex
		services map[string]*queue
	}
}

var _ proxy.Purger = (*Purger)(nil)

// New returns a purger that speaks for a node. It starts nothing; goroutines begin with what is asked of it.
func New(node string, send Send) *Purger {
	p := &Purger{node: node, send: send}
	p.mu.services = map[string]*queue{}
	return p
}

// queue is what a service asks for. Guarded by the purger's mutex.
type queue struct {
	open    *batch // nil: nobody waits for the next request
	running bool   // a goroutine sends
	last    time.Time

	allowed  float64 // how much may be named now
	refilled time.Time
}

// batch is one request to control. What it names is guarded by the purger's mutex while it is a queue's open one.
type batch struct {
	urls   map[controllog.URL]struct{}
	groups map[string]struct{}
	size   int

	done  chan struct{} // closed once control has answered, or will not
	epoch uint64        // set before done is closed
	err   error         // likewise
}

// Purge implements proxy.Purger.
//
// INVARIANT: the request to control that answers begins after Purge was called. One that is in flight may have been
// sequenced before what this caller did.
func (p *Purger) Purge(ctx context.Context, service string, urls []controllog.URL, groups []string) (epoch uint64, err error) {
	b := p.join(service, urls, groups)
	if b == nil {
		return 0, proxy.ErrPurgeLimit
	}
	select {
	case <-b.done:
		return b.epoch, b.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// join adds to the service's next request; nil when there is no room.
func (p *Purger) join(service string, urls []controllog.URL, groups []string) *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.mu.services[service]
	if q == nil {
		q = &queue{allowed: maxBurst, refilled: time.Now()}
		p.mu.services[service] = q
	}
	b := q.open
	if b == nil {
		b = &batch{urls: map[controllog.URL]struct{}{}, groups: map[string]struct{}{}, done: make(chan struct{})}
	}
	if !q.admit(b, urls, groups) {
		return nil
	}
	if q.open = b; !q.running {
		q.running = true
		p.sending.Add(1)
		go p.run(service, q)
	}
	return b
}

// admit adds to a batch, unless it or the service is at its limit. What is named already costs nothing.
func (q *queue) admit(b *batch, urls []controllog.URL, groups []string) bool {
	now := time.Now()
	q.allowed = min(maxBurst, q.allowed+now.Sub(q.refilled).Seconds()*itemsPerSecond)
	q.refilled = now
	items, size := 0, 0
	for _, u := range urls {
		if _, named := b.urls[u]; !named {
			items, size = items+1, size+len(u.Host)+len(u.Path)+len(u.Query)
		}
	}
	for _, g := range groups {
		if _, named := b.groups[g]; !named {
			items, size = items+1, size+len(g)
		}
	}
	if float64(items) > q.allowed || len(b.urls)+len(b.groups)+items > controllog.MaxInvalidation || b.size+size > maxBatchBytes {
		return false
	}
	q.allowed -= float64(items)
	b.size += size
	for _, u := range urls {
		b.urls[u] = struct{}{}
	}
	for _, g := range groups {
		b.groups[g] = struct{}{}
	}
	return true
}

// run sends the service's batches one after the other, until there is none.
func (p *Purger) run(service string, q *queue) {
	defer p.sending.Done()
	for {
		p.mu.Lock()
		if q.open == nil {
			q.running = false
			p.mu.Unlock()
			return
		}
		begin := time.Now().Add(window)
		if next := q.last.Add(interval); next.After(begin) {
			begin = next
		}
		p.mu.Unlock()
		<-time.After(time.Until(begin))
		p.mu.Lock()
		b := q.open
		q.open, q.last = nil, time.Now()
		p.mu.Unlock()
		p.ask(service, b)
	}
}

// ask sends a batch that nobody can join any more.
func (p *Purger) ask(service string, b *batch) {
	what := &controllog.Invalidation{Node: p.node, Service: service}
	for u := range b.urls {
		what.URLs = append(what.URLs, u)
	}
	for g := range b.groups {
		what.Groups = append(what.Groups, g)
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendTime)
	defer cancel()
	defer close(b.done)
	b.epoch, b.err = p.send(ctx, what)
}

// Drain waits until nothing is in flight, at most for the given time.
func (p *Purger) Drain(limit time.Duration) {
	idle := make(chan struct{})
	go func() {
		p.sending.Wait()
		close(idle)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}
