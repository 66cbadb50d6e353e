package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
	"tiercache/shared/token"
)

// flushTimeout bounds the sending of the last traces after a node has drained.
const flushTimeout = 3 * time.Second

// Node is a node that is about to run: what its tier's parts are built from.
type Node struct {
	Config
	Tier      string
	Log       *slog.Logger
	Telemetry *telemetry.Telemetry
	Health    *runner.Health
	started   time.Time

	// bus is the node's one connection, nil before the first call of Bus. Bus is not called concurrently.
	bus *bus.Bus
}

// New prepares a node of a tier. It opens nothing but what telemetry needs; the caller must call Close.
func New(ctx context.Context, tier string, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", tier, err)
	}
	resource := telemetry.Resource{Tier: tier, Node: cfg.Node, Region: cfg.Region, Version: cfg.Version}
	log, err := telemetry.NewLogger(os.Stderr, cfg.LogLevel, cfg.LogFormat, resource)
	if err != nil {
		return nil, err
	}
	tel, err := telemetry.New(ctx, cfg.Config, resource)
	if err != nil {
		return nil, err
	}
	return &Node{Config: cfg, Tier: tier, Log: log, Telemetry: tel, Health: runner.NewHealth(), started: time.Now()}, nil
}

// Close sends the last traces and ends the connection to the bus. It returns nil: a receiver of traces that does
// not take them is worth a warning, and no reason to call a clean stop a failure.
func (n *Node) Close(ctx context.Context) error {
	if n.bus != nil {
		n.bus.Close()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := n.Telemetry.Shutdown(ctx); err != nil {
		n.Log.Warn("the last traces were not sent", "error", err)
	}
	return nil
}

// Run runs the tier's parts between those that every node has: the admin listener comes first and goes
// last, so that a node that starts or drains can be asked what it waits for.
func (n *Node) Run(ctx context.Context, parts ...runner.Part) error {
	b, err := n.Bus()
	if err != nil {
		return err
	}
	all := []runner.Part{runner.Admin(n.AdminListen, n.Health, n.Telemetry.MetricsHandler())}
	all = append(all, bus.Announce(b, n.Hello))
	all = append(all, parts...)
	return runner.Run(ctx, runner.Options{Log: n.Log, DrainTimeout: n.DrainTimeout, Health: n.Health}, all...)
}

// TierToken reads the fleet's secret; without a file nobody is believed.
func (n *Node) TierToken() (string, error) {
	if n.TierTokenFile == "" {
		return "", nil
	}
	secret, err := token.ReadFile(n.TierTokenFile)
	if err != nil {
		return "", fmt.Errorf("tier_token_file: %w", err)
	}
	return secret, nil
}

// Hello is what the node says of itself on the bus.
func (n *Node) Hello() bus.Hello {
	return bus.Hello{
		Node: n.Node, Tier: n.Tier, Region: n.Region, Addr: n.Listen, Admin: n.AdminListen,
		Version: n.Version, Started: n.started, Ready: n.Health.Ready(),
	}
}

// Main is the life of a node's process: it prepares the node, lets build make the tier's parts, and
// runs them until a signal or a failure. build may use the node but must start nothing.
func Main(ctx context.Context, tier string, cfg Config, build func(*Node) ([]runner.Part, error)) (err error) {
	ctx, cancel := runner.Signals(ctx)
	defer cancel()
	n, err := New(ctx, tier, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close(ctx)) }()
	parts, err := build(n)
	if err != nil {
		return err
	}
	return n.Run(ctx, parts...)
}
