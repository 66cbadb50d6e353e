package peers

import (
	"context"
	"sync"
	"time"
)

// How nodes are watched. The sum of both is below lastBackoff, so that a node that stays silent is not
// taken back in between.
const (
	pingInterval = time.Second
	pingTimeout  = 2 * time.Second
)

// Run pings the regional nodes until the context ends: a node that accepts connections and does not
// answer is passed over, and one that is back is known to be without a request that tries.
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
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		p.ping(ctx, n)
	}
}

func (p *Peers) ping(ctx context.Context, n *node) {
	err := p.tiers.Ping(ctx, n.addr, pingTimeout)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		n.silent(p.now())
		p.report()
	default:
		p.up(n)
	}
}
