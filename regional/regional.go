package regional

import (
	"context"
	"fmt"
	"time"

	"tiercache/regional/l2"
	"tiercache/regional/l2/redis"
	"tiercache/shared/node"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
	"tiercache/shared/proxy/foreign"
	"tiercache/shared/proxy/listener"
	"tiercache/shared/proxy/purger"
	"tiercache/shared/proxy/tier"
	"tiercache/shared/runner"
	"tiercache/shared/token"
)

// Build wires a regional node and returns its parts in the order of their start.
func Build(n *node.Node, cfg Config) ([]runner.Part, error) {
	secret, err := n.TierToken()
	if err != nil {
		return nil, err
	}
	services, err := policy.NewSet(cfg.Services)
	if err != nil {
		return nil, err
	}
	store, err := openRedis(cfg)
	if err != nil {
		return nil, err
	}
	breaker := l2.NewBreaker(store, l2.BreakerConfig{Slow: cfg.L2Timeout * 9 / 10, OnChange: reportL2(n)})
	upstream, err := newUpstreams(cfg.OriginURL, tier.New(secret), foreign.New())
	if err != nil {
		return nil, err
	}
	log, follow, err := n.Follower(node.Follow{Member: true, Durable: true, StandAlone: len(cfg.Services) > 0})
	if err != nil {
		return nil, err
	}
	deps := proxy.Deps{Store: breaker, Upstream: upstream, Policy: services, Log: n.Log, Tracer: n.Telemetry.Tracer(),
		Took: n.Telemetry.NewDurations("tiercache_request_duration", "Time from a request's arrival until its reply's head is on its way, by outcome", "outcome", proxy.OutcomeNames()...)}
	purges := purger.New(cfg.Node, log.Invalidate)
	if log != nil {
		deps.Control, deps.Purger = log, purges
	}
	p, err := proxy.New(proxy.Config{
		Node: cfg.Node, TierToken: secret,
		MaxObject: int64(cfg.MaxObjectSize), MaxFills: cfg.MaxFills, MaxRequestBody: int64(cfg.MaxRequestBody),
	}, deps)
	if err != nil {
		return nil, err
	}
	held, err := n.Holdings(log, breaker, services)
	if err != nil {
		return nil, err
	}
	if log != nil {
		n.Services(log, func(set *policy.Set) { p.SetPolicy(set); held.SetPolicy(set) })
	}
	if err := observe(n.Telemetry.Meter(), p, breaker); err != nil {
		return nil, err
	}
	front := listener.New(listener.Config{Addr: cfg.Listen, DrainTimeout: cfg.DrainTimeout, FromTiers: true}, listener.Traced(n.Telemetry, Tier, p.BelievesTrace, p.Serve), n.Log)
	return []runner.Part{
		follow,
		{Name: "holdings", Run: held.Run},
		{Name: "l2", Run: func(ctx context.Context, ready func()) error { return runL2(ctx, ready, n, store, breaker) }},
		{Name: "fills", Run: func(ctx context.Context, ready func()) error {
			return drain(ctx, ready, cfg.DrainTimeout, p, purges, upstream)
		}},
		{Name: "listener", Run: front.Run},
	}, nil
}

// drain waits for what requests have begun, when ctx ends.
func drain(ctx context.Context, ready func(), limit time.Duration, p *proxy.Proxy, purges *purger.Purger, to *upstreams) error {
	ready()
	<-ctx.Done()
	p.Drain(limit)
	purges.Drain(limit)
	to.close()
	return nil
}

func openRedis(cfg Config) (*redis.Store, error) {
	var password string
	if cfg.RedisPasswordFile != "" {
		secret, err := token.ReadFile(cfg.RedisPasswordFile)
		if err != nil {
			return nil, fmt.Errorf("redis_password_file: %w", err)
		}
		password = secret
	}
	return redis.New(cfg.redis(password))
}

// reportL2 tells health and the log when L2 goes and comes back.
func reportL2(n *node.Node) func(error) {
	health := n.Health.Component("l2", false)
	health.OK("")
	return func(cause error) {
		if cause == nil {
			health.OK("")
			n.Log.Info("l2 is available again")
			return
		}
		health.Fail("not available, every lookup is a miss: " + cause.Error())
		n.Log.Warn("l2 is not available, every lookup is a miss", "error", cause)
	}
}

// runL2 watches L2 while it is not available, and closes it at the end.
func runL2(ctx context.Context, ready func(), n *node.Node, store *redis.Store, breaker *l2.Breaker) error {
	ready()
	if report, err := store.Check(ctx); err == nil && report.Warning() != "" {
		n.Log.Warn("l2 settings", "warning", report.Warning())
	}
	if err := breaker.Run(ctx); err != nil {
		return fmt.Errorf("watch l2: %w", err)
	}
	return store.Close()
}
