package follower

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/runner"
)

// Follower keeps a node's view of the control log current. Its methods are safe for concurrent use, the On ones
// and Run apart.
type Follower struct {
	cfg Config
	// instance tells this process from every other one that was ever given its name.
	instance string

	bus    Bus          // nil: none
	disk   Disk         // nil: nothing outlives the process
	http   *controlHTTP // nil: none
	log    *slog.Logger
	health *runner.Component
	// rotation fails while the node is to have no clients: control has drained it, or another process has its name.
	// It is required.
	rotation *runner.Component
	now      func() time.Time
	stats    Stats

	// replica is written by Run's loop alone.
	replica *controllog.Replica
	lease   controllog.Lease
	history controllog.History
	horizon horizon
	// caughtUp: when control last said where the log's head is, the node had applied it or did so since.
	caughtUp atomic.Bool
	// known is the highest epoch that the node has heard of.
	known atomic.Uint64
	// delay is how long after it got its epoch, in ns, the entry was applied that was applied last.
	delay atomic.Int64
	// scopes is how many purged scopes the index holds.
	scopes atomic.Int64

	waiting    chan *waiter // never closed
	onServices []func([]controllog.ServiceChange)
	onTokens   []func([]controllog.TokenChange)
	applied    func(epoch uint64) // nil: nobody is told
}

// New prepares a follower. It opens nothing and starts nothing.
func New(cfg Config, deps Deps) (*Follower, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	health := cmp.Or(deps.Health, runner.NewHealth())
	f := &Follower{
		instance: newInstance(),
		cfg:      cfg, bus: deps.Bus, http: newControlHTTP(cfg.ControlURL, cfg.TierToken, deps.Transport), log: deps.Log, now: deps.Now,
		disk: deps.Disk, applied: deps.Applied,
		health:   health.Component("control", false),
		rotation: health.Component("in rotation", true),
		replica:  controllog.NewReplica(cfg.Capacity), waiting: make(chan *waiter),
	}
	f.rotation.OK("")
	if f.disk == nil && cfg.StateFile != "" {
		f.disk = &stateFile{path: cfg.StateFile}
	}
	f.cfg.RenewInterval = cmp.Or(cfg.RenewInterval, controllog.RenewInterval)
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if f.now == nil {
		f.now = time.Now
	}
	return f, nil
}

// instanceSize is how many bytes an instance has, before they are written in hex.
const instanceSize = 16

func newInstance() string {
	var b [instanceSize]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
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
	f.takeDisk()
	if f.disk != nil {
		defer f.disk.Release()
	}
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
	f.lease.Revoke()
	return nil
}

// takeDisk finds the process before. A member that does not know it waits for the lease that it may hold.
func (f *Follower) takeDisk() {
	if f.disk == nil || !f.cfg.Member {
		return
	}
	if err := f.disk.Take(); err != nil {
		f.log.Warn("the process before is not known: this one waits until its lease is over", "error", err)
	}
}
