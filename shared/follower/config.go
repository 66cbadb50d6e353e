package follower

import (
	"errors"
	"fmt"
	"log/slog"
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
	Bus    *bus.Bus         // nil: HTTP only
	Log    *slog.Logger     // nil discards
	Health *runner.Health   // gets the component "control", not required; nil: none
	Now    func() time.Time // nil: the system's clock
}
