package faults

import (
	"context"
	"fmt"
	"strings"
)

// kinds are all kinds of faults.
func kinds() []kind {
	return append(append(append(append(processKinds(), networkKinds()...), storeKinds()...), databaseKinds()...), clockKinds()...)
}

func faultNamed(name string) (kind, bool) {
	for _, k := range kinds() {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

func faultNames() string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

// processKinds are faults of processes.
func processKinds() []kind {
	return []kind{
		{name: "kill-edge", begin: killOne(edges()...)},
		{name: "kill-regional", begin: killOne("regional-1", "regional-2")},
		{name: "kill-control", begin: killOne("control-1", "control-2")},
		{name: "kill-origin", begin: killOne(origin)},
		{name: "kill-nats", begin: killOne(nats)},
		{name: "kill-redis", begin: killStore},
		{name: "stop-edge", begin: pauseOne(edges()...)},
		{name: "stop-regional", begin: pauseOne("regional-1", "regional-2")},
		{name: "stop-control", begin: pauseOne("control-1", "control-2")},
		{name: "stop-other", begin: pauseOne(origin, nats)},
		{name: "stop-redis", begin: pauseStore},
		{name: "site-fails", begin: failSite},
		{name: "kill-alone", alone: true, begin: killAlone},
	}
}

// killOne kills a part, which is started again when the fault is lifted.
func killOne(names ...string) func(context.Context, *trouble) (string, lift, error) {
	return func(_ context.Context, t *trouble) (string, lift, error) {
		return killPart(t.fleet.parts[pick(t.draw, names)])
	}
}

func killPart(p *part) (string, lift, error) {
	return p.name + " is killed", func(context.Context) error { return p.start() }, p.kill()
}

// pauseOne stops a part, which goes on when the fault is lifted.
func pauseOne(names ...string) func(context.Context, *trouble) (string, lift, error) {
	return func(_ context.Context, t *trouble) (string, lift, error) {
		return pausePart(t.fleet.parts[pick(t.draw, names)])
	}
}

func pausePart(p *part) (string, lift, error) {
	return p.name + " is stopped", func(context.Context) error { return p.resume() }, p.pause()
}

// failSite has the foreign site answer with errors, for which what is stored may stand in.
func failSite(_ context.Context, t *trouble) (string, lift, error) {
	t.site.failing.Store(true)
	return "the site answers 503", func(context.Context) error { t.site.failing.Store(false); return nil }, nil
}

// killAlone kills a node, which finds neither control nor NATS when it comes back: it serves by what it has kept.
func killAlone(ctx context.Context, t *trouble) (string, lift, error) {
	p := t.fleet.parts[pick(t.draw, nodes())]
	if err := p.kill(); err != nil {
		return "", nil, err
	}
	if err := p.host.cut(ctx, "alone", peersOf("control", p.name), true, true); err != nil {
		return "", nil, err
	}
	if err := p.start(); err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("%s is killed and comes back without control", p.name), func(ctx context.Context) error {
		return p.host.set(ctx, "alone")
	}, nil
}
