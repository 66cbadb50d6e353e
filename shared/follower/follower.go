package follower

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/controllog"
	"tiercache/shared/runner"
)

// Follower keeps a node's view of the control log current. Its methods are safe for concurrent use, the On ones
// and Run apart.
type Follower struct {
	cfg    Config
	bus    *bus.Bus     // nil: none
	http   *controlHTTP // nil: none
	log    *slog.Logger
	health *runner.Component
	// drained fails while control has drained the node; it is required.
	drained *runner.Component
	now     func() time.Time
	stats   Stats

	// replica is written by Run's loop alone.
	replica *controllog.Replica
	lease   controllog.Lease
	history controllog.History
	horizon horizon
	// caughtUp: when control last said where the log's head is, the node had applied it or did so since.
	caughtUp atomic.Bool
	// known is the highest epoch that the node has heard of.
	known atomic.Uint64
	// scopes is how many purged scopes the index holds.
	scopes atomic.Int64

	waiting    chan *waiter // never closed
	onServices []func([]controllog.ServiceChange)
	onTokens   []func([]controllog.TokenChange)
}

// New prepares a follower. It opens nothing and starts nothing.
func New(cfg Config, deps Deps) (*Follower, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	health := cmp.Or(deps.Health, runner.NewHealth())
	f := &Follower{
		cfg: cfg, bus: deps.Bus, http: newControlHTTP(cfg.ControlURL, cfg.TierToken), log: deps.Log, now: deps.Now,
		health:  health.Component("control", false),
		drained: health.Component("in rotation", true),
		replica: controllog.NewReplica(cfg.Capacity), waiting: make(chan *waiter),
	}
	f.drained.OK("")
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if f.now == nil {
		f.now = time.Now
	}
	return f, nil
}

// OnServices makes the follower call handle with the active services of the log, sorted by name: once they are
// known, and whenever they change. It is called from the follower's goroutine, which waits. Call it before Run.
func (f *Follower) OnServices(handle func([]controllog.ServiceChange)) {
	f.onServices = append(f.onServices, handle)
}

// OnTokens is OnServices for tokens, which are sorted by their ids.
func (f *Follower) OnTokens(handle func([]controllog.TokenChange)) {
	f.onTokens = append(f.onTokens, handle)
}

// Run follows the log until ctx ends; it is called once. It is ready when the node may serve: when it has joined
// and applied all that the log held then, or, when control does not answer, when it can do without, which it can
// with a state file, or by itself as Config.StandAlone says. It goes on trying for ever and never fails for want
// of control.
func (f *Follower) Run(ctx context.Context, ready func()) error {
	l := newLoop(f, ready)
	l.load()
	stop, err := l.subscribe(ctx)
	if err != nil {
		return err
	}
	defer stop()
	defer f.http.close()
	l.run(ctx)
	l.finish(ctx)
	return nil
}
