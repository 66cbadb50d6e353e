package regional

import (
	"context"
	"fmt"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
	"tiercache/shared/proxy/foreign"
	"tiercache/shared/proxy/tier"
)

// upstreams is a regional node's proxy.Upstream: the platform's origin, or the service's own upstream.
type upstreams struct {
	origin  string // host:port, "" when no service needs it
	tiers   *tier.Client
	foreign *foreign.Client
}

func newUpstreams(originURL string, tiers *tier.Client, foreigners *foreign.Client) (*upstreams, error) {
	u := &upstreams{tiers: tiers, foreign: foreigners}
	if originURL == "" {
		return u, nil
	}
	addr, err := tier.ParseURL(originURL)
	if err != nil {
		return nil, fmt.Errorf("origin_url: %w", err)
	}
	u.origin = addr
	return u, nil
}

// Fetch implements proxy.Upstream.
func (u *upstreams) Fetch(ctx context.Context, service *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	if service.Upstream == policy.UpstreamOrigin {
		return u.tiers.FetchOrigin(ctx, u.origin, service.ResponseTimeout(), r)
	}
	return u.foreign.Fetch(ctx, service, r)
}

func (u *upstreams) close() {
	u.tiers.Close()
	u.foreign.Close()
}
