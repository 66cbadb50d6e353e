package control

import (
	"errors"
	"fmt"
	"net"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
)

// Config of a control node.
type Config struct {
	// Node names this node, unique in the fleet: letters, digits, - and _.
	Node string `yaml:"node" usage:"name of this node, unique in the fleet"`

	// Region is where this node is; shown, not used.
	Region string `yaml:"region" usage:"region that this node is in"`

	// Listen is the API's address. Bind it to a public one only behind TLS: tokens travel in it.
	Listen string `yaml:"listen" usage:"host:port for the API"`

	// AdminListen defaults to Listen's port + 10000 on 127.0.0.1.
	AdminListen string `yaml:"admin_listen" usage:"host:port of health, metrics and profiles; empty: listen's port + 10000 on 127.0.0.1"`

	LogLevel  string `yaml:"log_level" usage:"debug, info, warn or error"`
	LogFormat string `yaml:"log_format" usage:"text or json"`

	// DrainTimeout bounds a stop; requests that still run then are cut.
	DrainTimeout time.Duration `yaml:"drain_timeout" usage:"how long a stop may take"`

	telemetry.Config `yaml:",inline"`

	// NATSURL is where nodes announce themselves; without it the fleet is this node alone.
	NATSURL      string `yaml:"nats_url" usage:"URL of the message bus; empty: none"`
	NATSSeedFile string `yaml:"nats_seed_file" usage:"file with the nkey seed of control's role"`

	// ControlURL and TierTokenFile are settings of all nodes; control has no use for them yet and
	// takes them so that one file of shared settings suits every tier.
	ControlURL    string `yaml:"control_url" usage:"URL of the control plane; control itself ignores it"`
	TierTokenFile string `yaml:"tier_token_file" usage:"file with the secret by which tiers know each other"`

	// AdminTokenFile holds the token that may do everything. It is read when the node starts.
	AdminTokenFile string `yaml:"admin_token_file" usage:"file with the token that the API accepts"`

	// Version of the binary, for the API and the fleet's table. Not a setting.
	Version string `yaml:"-"`
}

// DefaultConfig is what a control node does unless told otherwise.
func DefaultConfig() Config {
	return Config{
		Node:         "control-1",
		Region:       "r1",
		Listen:       "127.0.0.1:7070",
		LogLevel:     "info",
		LogFormat:    "text",
		DrainTimeout: runner.DefaultDrainTimeout,
	}
}

// Validate fills in AdminListen and reports the first setting that cannot work.
func (c *Config) Validate() error {
	if err := bus.ValidName(c.Node); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen %q is not host:port", c.Listen)
	}
	if c.AdminTokenFile == "" {
		return errors.New("admin_token_file is empty: name a file with a token, which the API then accepts")
	}
	if c.DrainTimeout <= 0 {
		return fmt.Errorf("drain_timeout %v is not positive", c.DrainTimeout)
	}
	if c.AdminListen == "" {
		addr, err := runner.AdminAddr(c.Listen)
		if err != nil {
			return err
		}
		c.AdminListen = addr
	}
	return c.Config.Validate()
}

// Resource names the node in metrics, traces and logs.
func (c *Config) Resource() telemetry.Resource {
	return telemetry.Resource{Tier: tier, Node: c.Node, Region: c.Region, Version: c.Version}
}
