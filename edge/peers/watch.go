package peers

import (
	"context"
	"errors"
	"sync"
	"time"

	"tiercache/shared/proxy"
)

// How nodes are watched. The sum of interval and timeout is below lastBackoff, so that a node that stays silent is not
// taken back in between.
const (
	pingInterval = time.Second
	pingTimeout  = 2 * time.Second
	// givenUpAfter so many pings in a row without an answer. One may get lost, or a node may be busy for a moment;
	// requests that wait for an answer are asked elsewhere only when that is not all.
	givenUpAfter = 2
)

// pings is how often a node is asked whether it answers, and how long it has for that.
type pings struct{ every, within time.Duration }

// Run pings the regional nodes until the context ends: a node that accepts connections and does not
// answer is passed over, those that wait for it are asked elsewhere, and one that is back is known to be without a
// request that tries.
func (p *Peers) Run(ctx context.Context, ready func()) error {
	ready()
	var watchers sync.WaitGroup
	for _, n := range p.nodes {
		watchers.Go(func() { p.watch(ctx, n) })
	}
	<-ctx.Done()
	watchers.Wait()
	return nil
}

func (p *Peers) watch(ctx context.Context, n *node) {
	ticker := time.NewTicker(p.pings.every)
	defer ticker.Stop()
	unanswered := 0
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if p.ping(ctx, n) {
			unanswered = 0
		} else if unanswered++; unanswered >= givenUpAfter {
			p.tiers.GiveUp(n.addr)
		}
	}
}

// ping reports whether the node has answered, be it that it takes no connection: one that stops may still answer what
// it was asked before.
func (p *Peers) ping(ctx context.Context, n *node) (answered bool) {
	err := p.tiers.Ping(ctx, n.addr, p.pings.within)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		n.silent(p.now())
		p.report()
	default:
		p.up(n)
	}
	return !errors.Is(err, proxy.ErrTimeout)
}
