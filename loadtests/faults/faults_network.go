package faults

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// networkKinds are faults of links.
func networkKinds() []kind {
	return []kind{
		{name: "cut-control", begin: cut("control", nodes()...)},
		{name: "cut-nats", begin: cut("nats", append(nodes(), origin, "control-1", "control-2")...)},
		{name: "cut-next-tier", begin: cut("next tier", nodes()...)},
		{name: "cut-database", begin: cut("database", "control-1", "control-2", origin)},
		{name: "cut-off", begin: cut("everything", nodes()...)},
		{name: "loss", begin: lossy},
		{name: "bandwidth", begin: narrow},
		{name: "delay", alone: true, begin: slow, lasts: 2 * time.Second},
	}
}

// peersOf are the addresses by which a part reaches something.
func peersOf(what, name string) (list []string) {
	var names []string
	switch what {
	case "control": // on all ways
		names = []string{nats, "control-1", "control-2"}
	case "nats":
		names = []string{nats}
	case "database":
		names = []string{"postgres-1", "postgres-2"}
	case "next tier":
		names = []string{"regional-1", "regional-2", origin, site, "redis-1", "redis-2"}
	default:
		names = []string{nats, "control-1", "control-2", "regional-1", "regional-2", origin, site, "redis-1", "redis-2"}
	}
	for _, other := range names {
		if other == name {
			continue
		}
		list = append(list, addr(other))
		if host, _, _ := strings.Cut(via(other), ":"); host != addr(other) {
			list = append(list, host)
		}
	}
	return list
}

// cut cuts one of some parts from something, often in one direction only.
func cut(what string, names ...string) func(context.Context, *trouble) (string, lift, error) {
	return func(ctx context.Context, t *trouble) (string, lift, error) {
		p := t.fleet.parts[pick(t.draw, names)]
		sent, received, way := true, true, "both directions"
		switch t.draw.below(4) {
		case 0:
			received, way = false, "what it sends"
		case 1:
			sent, way = false, "what it is sent"
		}
		return fmt.Sprintf("%s is cut from %s: %s", p.name, what, way), func(ctx context.Context) error {
			return p.host.set(ctx, "cut")
		}, p.host.cut(ctx, "cut", peersOf(what, p.name), sent, received)
	}
}

// lossy makes a host lose packets.
func lossy(ctx context.Context, t *trouble) (string, lift, error) {
	h := t.fleet.net.hosts[pick(t.draw, append(nodes(), "control-1", nats, origin, "redis-1"))]
	share, ways, what := 10+t.draw.below(40), []string{"in", "out"}, "all packets"
	switch t.draw.below(4) {
	case 0:
		ways, what = ways[:1], "the packets that it is sent"
	case 1:
		ways, what = ways[1:], "the packets that it sends"
	}
	return fmt.Sprintf("%s loses %d %% of %s", h.name, share, what), func(ctx context.Context) error {
		return h.set(ctx, "loss")
	}, h.lose(ctx, "loss", share, ways...)
}

// narrow makes a host's link narrow.
func narrow(ctx context.Context, t *trouble) (string, lift, error) {
	h := t.fleet.net.hosts[pick(t.draw, append(nodes(), "control-1", nats, origin, "redis-1"))]
	bits := 20_000 + t.draw.below(100_000)
	return fmt.Sprintf("%s has %d kbit/s", h.name, bits/1000), h.widen, h.narrow(ctx, bits)
}

// slow delays what goes through a relay, in one direction.
func slow(_ context.Context, t *trouble) (string, lift, error) {
	r := t.fleet.relays[pick(t.draw, behind())]
	by, stream := 100+t.draw.below(1400), pick(t.draw, []string{"upstream", "downstream"})
	return fmt.Sprintf("%s is slow by %d ms (%s)", r.name, by, stream), r.speed, r.slow(stream, by, by/2)
}
