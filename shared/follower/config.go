package follower

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/runner"
)

// Config of a Follower.
type Config struct {
	Node, Tier, Region string
	Addr               string // where the node serves, host:port

	// ControlURL is control's API, http://host:port; empty: NATS only, so no images either.
	ControlURL string
	// TierToken is the fleet's secret, which control's HTTP endpoints want.
	TierToken string

	// StateFile keeps the view over restarts; empty: it starts from nothing.
	StateFile string

	// Member: the node joins, holds a lease, and purges wait for it. Else it only follows.
	Member bool
	// Leave: on a clean stop a member leaves, so that no purge waits for it.
	Leave bool
	// Durable: the node's store outlives it, so that a restart finds entries of which it may not know what was
	// purged since.
	Durable bool
	// StandAlone: the node has all that it needs to serve without ever having heard of control.
	StandAlone bool

	// Capacity is how many purged scopes the index holds; 0: the index's default.
	Capacity int

	// RenewInterval is how often a lease is asked for; 0: controllog.RenewInterval. Where it is longer than a lease lasts, the
	// node is without one in between: that is for measurements of more nodes than a machine could run.
	RenewInterval time.Duration
}

// Validate reports a setting that New would refuse.
func (c Config) Validate() error {
	if err := errors.Join(bus.ValidName(c.Node), bus.ValidName(c.Tier)); err != nil {
		return fmt.Errorf("control log: %w", err)
	}
	if c.ControlURL == "" {
		return nil
	}
	u, err := url.Parse(c.ControlURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || strings.Contains(u.Path, "@") {
		return errors.New("control_url is not of the form http://host:port") // not repeated: it may carry a password
	}
	if c.TierToken == "" {
		return errors.New("control_url needs tier_token_file")
	}
	return nil
}

// Deps is what a Follower works with.
type Deps struct {
	Bus    Bus              // nil: HTTP only
	Log    *slog.Logger     // nil discards
	Health *runner.Health   // gets the component "control", not required; nil: none
	Now    func() time.Time // nil: the system's clock
	// Transport carries what goes over HTTP; nil: the network.
	Transport http.RoundTripper
	// Disk keeps the view over restarts, in place of Config.StateFile; nil: that file does.
	Disk Disk
	// Applied is told how far the node has applied the log whenever it has got further, from one goroutine; nil: nobody. It
	// must not block.
	Applied func(epoch uint64)
}

// Bus is the node's way to control over NATS, and where the log's entries come from: bus.Bus is one.
type Bus interface {
	// Connected reports whether there is a connection that answers.
	Connected() bool
	// SubscribeLog calls handle with encoded entries, from one goroutine, until stop is called.
	SubscribeLog(handle func(entries []byte)) (stop func(), err error)
	// Renew asks for a lease. The first answer that is good ends the wait; if none is, the last one is returned.
	Renew(ctx context.Context, tier, node string, payload []byte, good func(answer []byte) bool) ([]byte, error)
	// Report says something to control that wants no answer. It does not block, and owns payload.
	Report(tier, node string, payload []byte) error
	// Fetch asks for entries.
	Fetch(ctx context.Context, tier string, payload []byte) ([]byte, error)
}

// Disk is what outlives the node's process: its view, and which process it was. Load and Save are called by one
// goroutine each.
type Disk interface {
	// Load is the view that was saved last. Errors: fs.ErrNotExist when there is none.
	Load() ([]byte, error)
	// Save puts a view in the place of the one before, in one step: a crash leaves one or the other.
	Save(view []byte) error
	// SetAside takes a view that cannot be read out of the way.
	SetAside() error

	// Take makes this process the one that the next one knows, until Release. Without an error, Before is the instance
	// of the process before, if that is known to have ended, and Keep notes the instance of this one, a member now.
	Take() error
	Before() string
	Keep(instance string) error
	// Release is called last: this process holds no lease any more.
	Release()
}
