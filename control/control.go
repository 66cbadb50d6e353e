package control

import (
	"context"
	"fmt"
	"time"

	"tiercache/control/client"
	"tiercache/shared/bus"
	"tiercache/shared/node"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
	"tiercache/shared/token"
)

// Limits of the API's listener.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
)

// Control is what a control node's parts share.
type Control struct {
	node   *node.Node
	tel    *telemetry.Telemetry
	tokens *token.Set
	roster *roster
}

// Build wires a control node and returns its parts in the order of their start. The error names the
// token file when it can not be used.
func Build(n *node.Node, cfg Config) ([]runner.Part, error) {
	c, err := newControl(n, cfg)
	if err != nil {
		return nil, err
	}
	return c.parts(cfg), nil
}

func newControl(n *node.Node, cfg Config) (*Control, error) {
	c := &Control{node: n, tel: n.Telemetry, tokens: new(token.Set), roster: newRoster()}
	if err := c.loadToken(cfg.AdminTokenFile); err != nil {
		return nil, err
	}
	if err := c.observeFleet(); err != nil {
		return nil, fmt.Errorf("control: metrics: %w", err)
	}
	return c, nil
}

func (c *Control) parts(cfg Config) []runner.Part {
	return []runner.Part{
		{Name: "fleet", Run: c.followFleet},
		runner.Server{
			Name:         "api",
			Addr:         cfg.Listen,
			Handler:      c.handler(),
			Log:          c.node.Log,
			ReadTimeout:  readTimeout,
			WriteTimeout: writeTimeout,
			DrainTimeout: cfg.DrainTimeout,
		}.Part(),
	}
}

// loadToken lets the holder of the admin token in.
func (c *Control) loadToken(path string) error {
	secret, err := token.ReadFile(path)
	if err != nil {
		return fmt.Errorf("admin_token_file: %w", err)
	}
	if err := c.tokens.Add(secret, token.All); err != nil {
		return fmt.Errorf("admin_token_file %s: %w", path, err)
	}
	return nil
}

// followFleet keeps the roster of the nodes that announce themselves on the bus.
func (c *Control) followFleet(ctx context.Context, ready func()) error {
	if c.node.NATSURL == "" {
		ready()
		<-ctx.Done()
		return nil
	}
	b, err := bus.Connect(ctx, c.node.BusConfig())
	if err != nil {
		return err
	}
	defer b.Close()
	stop, err := b.SubscribeHello(func(h bus.Hello) { c.roster.hear(h, time.Now()) })
	if err != nil {
		return err
	}
	defer stop()
	ready()
	<-ctx.Done()
	return nil
}

// fleet lists the nodes: this one by its own knowledge, the others by what the bus brought.
func (c *Control) fleet(now time.Time) client.Fleet {
	c.roster.hear(c.node.Hello(), now)
	return c.roster.fleet(now)
}
