package edge

import (
	"context"
	"fmt"
	"time"

	"tiercache/edge/l1"
	"tiercache/edge/peers"
	"tiercache/shared/node"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
	"tiercache/shared/proxy/foreign"
	"tiercache/shared/proxy/listener"
	"tiercache/shared/proxy/purger"
	"tiercache/shared/proxy/tier"
	"tiercache/shared/runner"
)

// Build wires an edge node and returns its parts in the order of their start.
func Build(n *node.Node, cfg Config) ([]runner.Part, error) {
	token, err := n.TierToken()
	if err != nil {
		return nil, err
	}
	services, err := policy.NewSet(cfg.Services)
	if err != nil {
		return nil, err
	}
	cache, err := l1.New(l1.Config{Size: int64(cfg.L1Size)})
	if err != nil {
		return nil, fmt.Errorf("l1_size: %w", err)
	}
	tiers, foreigners := tier.New(token), foreign.New()
	upstream, err := peers.New(peers.Config{
		Region: cfg.Region, Regionals: cfg.Regionals, Origin: cfg.OriginURL, DirectCap: cfg.DirectCap,
	}, tiers, foreigners, n.Health.Component("regional", false))
	if err != nil {
		return nil, err
	}
	log, follow, err := n.Follower(node.Follow{Member: true, StandAlone: len(cfg.Services) > 0})
	if err != nil {
		return nil, err
	}
	deps := proxy.Deps{Store: cache, Upstream: upstream, Policy: services, Log: n.Log, Tracer: n.Telemetry.Tracer(),
		Took: n.Telemetry.NewDurations("tiercache_request_duration", "Time from a request's arrival until its reply's head is on its way, by outcome", "outcome", proxy.OutcomeNames()...)}
	purges := purger.New(cfg.Node, log.Invalidate)
	if log != nil {
		deps.Control, deps.Purger = log, purges
	}
	p, err := proxy.New(proxy.Config{
		Node: cfg.Node, FacesClients: true, TierToken: token,
		MaxObject: cfg.maxObject(), MaxFills: cfg.MaxFills, MaxRequestBody: int64(cfg.MaxRequestBody),
	}, deps)
	if err != nil {
		return nil, err
	}
	held, err := n.Holdings(log, cache, services)
	if err != nil {
		return nil, err
	}
	if log != nil {
		n.Services(log, func(set *policy.Set) { p.SetPolicy(set); held.SetPolicy(set) })
	}
	if err := observe(n.Telemetry.Meter(), p, cache, upstream); err != nil {
		return nil, err
	}
	believe := func(proxy.Exchange) bool { return cfg.TrustTraceparent }
	front := listener.New(listener.Config{Addr: cfg.Listen, DrainTimeout: cfg.DrainTimeout}, listener.Traced(n.Telemetry, Tier, believe, p.Serve), n.Log)
	return []runner.Part{
		follow,
		{Name: "holdings", Run: held.Run},
		{Name: "peers", Run: upstream.Run},
		{Name: "fills", Run: func(ctx context.Context, ready func()) error {
			return drain(ctx, ready, cfg.DrainTimeout, p, purges, tiers, foreigners)
		}},
		{Name: "listener", Run: front.Run},
	}, nil
}

// drain waits for what requests have begun, when ctx ends.
func drain(ctx context.Context, ready func(), limit time.Duration, p *proxy.Proxy, purges *purger.Purger, tiers *tier.Client, foreigners *foreign.Client) error {
	ready()
	<-ctx.Done()
	p.Drain(limit)
	purges.Drain(limit)
	tiers.Close()
	foreigners.Close()
	return nil
}
