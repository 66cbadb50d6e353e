package control

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"tiercache/control/client"
	"tiercache/shared/bus"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
	"tiercache/shared/token"
)

// tier is this tier's name on the bus and in metrics.
const tier = "control"

// Limits of the API's listener.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
)

// Control is a control node that has not started yet or runs.
type Control struct {
	cfg     Config
	log     *slog.Logger
	tel     *telemetry.Telemetry
	health  *runner.Health
	tokens  *token.Set
	roster  *roster
	started time.Time
}

// New prepares a control node; it opens nothing and starts nothing. The caller keeps tel and shuts it
// down after Run.
func New(cfg Config, tel *telemetry.Telemetry, log *slog.Logger) (*Control, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	c := &Control{
		cfg:    cfg,
		log:    log,
		tel:    tel,
		health: runner.NewHealth(),
		tokens: new(token.Set),
		roster: newRoster(),
	}
	if err := c.observeFleet(); err != nil {
		return nil, fmt.Errorf("control: metrics: %w", err)
	}
	return c, nil
}

// Run serves until ctx ends and everything has drained, or until a part fails.
func (c *Control) Run(ctx context.Context) error {
	c.started = time.Now()
	if err := c.loadToken(); err != nil {
		return err
	}
	return runner.Run(ctx, runner.Options{Log: c.log, DrainTimeout: c.cfg.DrainTimeout, Health: c.health},
		runner.Admin(c.cfg.AdminListen, c.health, c.tel.MetricsHandler()),
		runner.Part{Name: "fleet", Run: c.followFleet},
		runner.Server{
			Name:         "api",
			Addr:         c.cfg.Listen,
			Handler:      c.handler(),
			Log:          c.log,
			ReadTimeout:  readTimeout,
			WriteTimeout: writeTimeout,
			DrainTimeout: c.cfg.DrainTimeout,
		}.Part(),
	)
}

// loadToken lets the holder of the admin token in.
func (c *Control) loadToken() error {
	secret, err := token.ReadFile(c.cfg.AdminTokenFile)
	if err != nil {
		return fmt.Errorf("admin_token_file: %w", err)
	}
	if err := c.tokens.Add(secret, token.All); err != nil {
		return fmt.Errorf("admin_token_file %s: %w", c.cfg.AdminTokenFile, err)
	}
	return nil
}

// followFleet keeps the roster: this node by its own knowledge, the others by the bus.
func (c *Control) followFleet(ctx context.Context, ready func()) error {
	c.roster.hear(c.hello(), time.Now())
	if c.cfg.NATSURL == "" {
		ready()
		return c.tick(ctx, func(bus.Hello) {})
	}
	b, err := bus.Connect(ctx, bus.Config{
		URL: c.cfg.NATSURL, SeedFile: c.cfg.NATSSeedFile, Name: c.cfg.Node, Role: tier,
		Log: c.log, Health: c.health,
	})
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
	return c.tick(ctx, func(h bus.Hello) {
		_ = b.PublishHello(h) // without NATS nobody hears us, which /readyz says
	})
}

// tick notes and announces this node every second until ctx ends.
func (c *Control) tick(ctx context.Context, announce func(bus.Hello)) error {
	t := time.NewTicker(bus.HelloInterval)
	defer t.Stop()
	for {
		h := c.hello()
		c.roster.hear(h, time.Now())
		announce(h)
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// fleet lists the nodes, this one as it is now and not as it was at the last tick.
func (c *Control) fleet(now time.Time) client.Fleet {
	c.roster.hear(c.hello(), now)
	return c.roster.fleet(now)
}

func (c *Control) hello() bus.Hello {
	return bus.Hello{
		Node: c.cfg.Node, Tier: tier, Region: c.cfg.Region, Addr: c.cfg.Listen, Admin: c.cfg.AdminListen,
		Version: c.cfg.Version, Started: c.started, Ready: c.health.Ready(),
	}
}
