package control

import (
	"context"
	"fmt"
	"time"

	"tiercache/control/members"
	"tiercache/control/nodes"
	"tiercache/control/postgres"
	"tiercache/control/sequencer"
	"tiercache/shared/bus"
	"tiercache/shared/node"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
	"tiercache/shared/token"
)

// Limits of the API's listener. A request that waits for receipts, or that follows events, says so to
// its connection itself.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
)

// adminName is the name and the ID of the holder of the admin file's token. Those of the log have IDs that begin with tok_.
const adminName = "admin"

// Control is what a control node's parts share.
type Control struct {
	cfg       Config
	node      *node.Node
	tel       *telemetry.Telemetry
	bus       *bus.Bus // nil without NATS
	store     *postgres.Store
	sequencer *sequencer.Sequencer
	members   *members.Tracker
	tokens    *token.Set // the admin file's and the log's
	tier      string     // the fleet's secret; empty: the endpoints for nodes are closed
	roster    *roster
	purges    *purges
	nodes     *nodes.Nodes
	events    *events
	backlog   backlog
}

// Build wires a control node and returns its parts in the order of their start. The error names the
// setting that can not be used.
func Build(n *node.Node, cfg Config) ([]runner.Part, error) {
	c, err := newControl(n, cfg)
	if err != nil {
		return nil, err
	}
	return c.parts(), nil
}

func newControl(n *node.Node, cfg Config) (*Control, error) {
	store, err := postgres.New(postgres.Config{URL: cfg.PostgresURL, Retain: cfg.Retention, MaxMembers: cfg.MaxMembers}, n.Log, n.Health.Component("postgres", true))
	if err != nil {
		return nil, err
	}
	c := &Control{cfg: cfg, node: n, tel: n.Telemetry, store: store, tokens: new(token.Set), roster: newRoster()}
	if err := c.loadSecrets(); err != nil {
		return nil, err
	}
	if c.bus, err = n.Bus(); err != nil {
		return nil, err
	}
	c.members = members.New(store, n.Log)
	c.sequencer = sequencer.New(sequencer.Config{}, sequencer.Deps{
		Log: store, Bus: c.publisher(), Saw: c.members.Saw, Branched: c.members.DistrustAll, Polled: c.polled(), Published: c.published(), Logger: n.Log, Health: n.Health.Component("log", true),
	})
	store.Sequenced = c.sequencer.Offer
	c.sequencer.OnTokens(c.replaceTokens)
	c.purges, c.nodes, c.events = newPurges(c), nodes.New(c.answering()), newEvents(store, c.sequencer)
	if err := c.observe(); err != nil {
		return nil, fmt.Errorf("control: metrics: %w", err)
	}
	return c, nil
}

// parts in the order of their start: the log before those that need its head.
func (c *Control) parts() []runner.Part {
	return []runner.Part{
		{Name: "postgres", Run: c.store.Run},
		{Name: "members", Run: c.members.Run},
		{Name: "sequencer", Run: c.sequencer.Run},
		{Name: "backlog", Run: c.followBacklog},
		{Name: "purges", Run: c.purges.run},
		{Name: "nodes", Run: c.nodes.Run},
		{Name: "fleet", Run: c.followFleet},
		{Name: "seed", Run: c.seedServices},
		runner.Server{
			Name:         "api",
			Addr:         c.cfg.Listen,
			Handler:      c.handler(),
			Log:          c.node.Log,
			ReadTimeout:  readTimeout,
			WriteTimeout: writeTimeout,
			DrainTimeout: c.cfg.DrainTimeout,
		}.Part(),
		// Behind the API, so that its streams end before the API waits for the requests in flight.
		{Name: "events", Run: c.followers},
	}
}

// publisher is the bus as the sequencer sees it: no interface around a nil pointer.
func (c *Control) publisher() sequencer.Bus {
	if c.bus == nil {
		return nil
	}
	return c.bus
}

// answering is what answers the nodes.
func (c *Control) answering() nodes.Deps {
	deps := nodes.Deps{Sequencer: c.sequencer, Members: c.members, Secret: c.tier, Log: c.node.Log}
	if c.bus != nil { // no interface around a nil pointer
		deps.Bus = c.bus
	}
	return deps
}

// loadSecrets lets the holder of the admin token in, and the nodes of this fleet.
func (c *Control) loadSecrets() error {
	secret, err := token.ReadFile(c.cfg.AdminTokenFile)
	if err != nil {
		return fmt.Errorf("admin_token_file: %w", err)
	}
	if err := c.tokens.AddHolder(secret, token.Holder{ID: adminName, Name: adminName, Roles: token.All}); err != nil {
		return fmt.Errorf("admin_token_file %s: %w", c.cfg.AdminTokenFile, err)
	}
	c.tier, err = c.node.TierToken()
	return err
}

// epochOf is the epoch of the write with that id, which was committed before the call: it runs the
// sequencer and waits until this node has applied and published what it found. Errors: those of
// sequencer.Head, of postgres.Store.EpochOf.
func (c *Control) epochOf(ctx context.Context, id string) (uint64, error) {
	if _, err := c.sequencer.Head(ctx); err != nil {
		return 0, err
	}
	if epoch, ok := c.sequencer.EpochOf(id); ok {
		return epoch, nil
	}
	return c.store.EpochOf(ctx, id)
}
