package peers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
)

// ErrNoUpstream: there is no regional node, and no origin either.
var ErrNoUpstream = errors.New("neither a regional node nor an origin is configured")

// Stats counts where misses went. Each counter only grows.
type Stats struct {
	Failures telemetry.Counter // attempts at a regional node that failed
	Direct   telemetry.Counter // requests that passed by all regional nodes
}

// Peers is an edge's way to the next tier. It is safe for concurrent use.
type Peers struct {
	nodes   []*node
	origin  string // host:port, "" when there is none
	tiers   Tiers
	foreign proxy.Upstream
	direct  chan struct{} // a slot for each request that passes by the regional nodes
	health  *runner.Component
	stats   Stats
	now     func() time.Time
	pings   pings
}

// Tiers asks nodes of the fleet: tier.Client does.
type Tiers interface {
	// Fetch asks a regional node, FetchOrigin the origin, each at that host:port. Errors: those of proxy.Upstream.
	Fetch(ctx context.Context, addr string, timeout time.Duration, r *proxy.Request) (*proxy.Response, error)
	FetchOrigin(ctx context.Context, addr string, timeout time.Duration, r *proxy.Request) (*proxy.Response, error)
	// Ping returns nil when the node there answers in time, proxy.ErrTimeout when it does not answer.
	Ping(ctx context.Context, addr string, timeout time.Duration) error
	// GiveUp fails the requests that wait for the node there.
	GiveUp(addr string)
}

// New returns peers over the given clients. health is told whether regional nodes answer.
func New(cfg Config, tiers Tiers, foreigners proxy.Upstream, health *runner.Component) (*Peers, error) {
	nodes, origin, err := cfg.parse()
	if err != nil {
		return nil, err
	}
	if cfg.DirectCap == 0 {
		cfg.DirectCap = DefaultDirectCap
	}
	p := &Peers{
		nodes: nodes, origin: origin, tiers: tiers, foreign: foreigners,
		direct: make(chan struct{}, cfg.DirectCap), health: health, now: time.Now,
		pings: pings{every: pingInterval, within: pingTimeout},
	}
	p.report()
	return p, nil
}

// Stats gives access to the counters.
func (p *Peers) Stats() *Stats { return &p.stats }

// Fetch implements proxy.Upstream. A node that can not be reached is passed over for a while; a request
// whose body may have been sent in part, or whose method is not safe to repeat, is not sent a second time.
func (p *Peers) Fetch(ctx context.Context, service *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	up, down := p.order(r.Digest)
	response, err, done := p.ask(ctx, service, r, up)
	if done {
		return response, err
	}
	response, err = p.fetchDirect(ctx, service, r)
	if len(down) > 0 && (errors.Is(err, proxy.ErrBusy) || errors.Is(err, ErrNoUpstream)) {
		if again, againErr, done := p.ask(ctx, service, r, down); done {
			return again, againErr
		}
	}
	return response, err
}

// ask tries the nodes in turn. done is false when none could be reached and another way may be tried.
func (p *Peers) ask(ctx context.Context, service *policy.Match, r *proxy.Request, nodes []*node) (response *proxy.Response, err error, done bool) {
	for _, n := range nodes {
		response, err = p.tiers.Fetch(ctx, n.addr, service.ResponseTimeout(), r)
		if err == nil {
			p.up(n)
			return response, nil, true
		}
		if ctx.Err() != nil || !errors.Is(err, proxy.ErrUnreachable) {
			return nil, err, true
		}
		p.lost(n)
		if !r.SafeToRetry() && !errors.Is(err, proxy.ErrConnect) {
			return nil, err, true
		}
	}
	return nil, err, false
}

// order lists the nodes for a key, those of the edge's region first, each part by rendezvous score.
// Nodes that could not be reached a moment ago are apart.
func (p *Peers) order(digest [16]byte) (up, down []*node) {
	list := slices.Clone(p.nodes)
	slices.SortFunc(list, func(a, b *node) int {
		if a.own != b.own {
			if a.own {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.score(digest), a.score(digest))
	})
	now := p.now()
	for _, n := range list {
		if n.down(now) {
			down = append(down, n)
		} else {
			up = append(up, n)
		}
	}
	return up, down
}

// fetchDirect asks the origin, or the service's upstream: within the cap, when it is a way around regional nodes
// that do not answer. An edge that was given none works straight in front of its upstreams, and what caps its
// fills caps this.
func (p *Peers) fetchDirect(ctx context.Context, service *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	if service.Upstream == policy.UpstreamOrigin && p.origin == "" {
		return nil, fmt.Errorf("%w: %w", proxy.ErrUnreachable, ErrNoUpstream)
	}
	if len(p.nodes) == 0 {
		return p.askDirect(ctx, service, r)
	}
	select {
	case p.direct <- struct{}{}:
	default:
		return nil, fmt.Errorf("%w: no regional node answers", proxy.ErrBusy)
	}
	p.stats.Direct.Add(1)
	response, err := p.askDirect(ctx, service, r)
	if err != nil {
		<-p.direct
		return nil, err
	}
	response.Body = &slotBody{ReadCloser: response.Body, slots: p.direct}
	return response, nil
}

func (p *Peers) askDirect(ctx context.Context, service *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	if service.Upstream == policy.UpstreamOrigin {
		return p.tiers.FetchOrigin(ctx, p.origin, service.ResponseTimeout(), r)
	}
	return p.foreign.Fetch(ctx, service, r)
}

func (p *Peers) lost(n *node) {
	p.stats.Failures.Add(1)
	n.failed(p.now())
	p.report()
}

func (p *Peers) up(n *node) {
	if n.failures.Load() != 0 {
		n.answered()
		p.report()
	}
}

// report tells how many regional nodes answered when they were last asked.
func (p *Peers) report() {
	answering := 0
	for _, n := range p.nodes {
		if n.failures.Load() == 0 {
			answering++
		}
	}
	detail := fmt.Sprintf("%d of %d regional nodes answer", answering, len(p.nodes))
	if answering == 0 && len(p.nodes) > 0 {
		p.health.Fail(detail + "; misses go to the origin within a cap")
		return
	}
	p.health.OK(detail)
}
