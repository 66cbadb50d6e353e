package node

import (
	"fmt"
	"net"
	"time"

	"tiercache/shared/bus"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
)

// Config are the settings that all nodes share; a tier's own Config inlines it.
type Config struct {
	// Node names the node, unique in the fleet: letters, digits, - and _. It is seen in Cache-Status.
	Node string `yaml:"node" usage:"name of this node, unique in the fleet"`
	// Region is where the node is. Edges prefer the regional nodes of their own region.
	Region string `yaml:"region" usage:"region that this node is in"`
	// Listen is the node's own address, host:port.
	Listen string `yaml:"listen" usage:"host:port to serve on"`
	// AdminListen defaults to Listen's port + 10000 on 127.0.0.1.
	AdminListen string `yaml:"admin_listen" usage:"host:port of health, metrics and profiles; empty: listen's port + 10000 on 127.0.0.1"`

	LogLevel  string `yaml:"log_level" usage:"debug, info, warn or error"`
	LogFormat string `yaml:"log_format" usage:"text or json"`

	// DrainTimeout bounds a stop; what still runs then is cut.
	DrainTimeout time.Duration `yaml:"drain_timeout" usage:"how long a stop may take"`

	telemetry.Config `yaml:",inline"`

	// NATSURL is where the node announces itself; without it the node works alone.
	NATSURL      string `yaml:"nats_url" usage:"URL of the message bus; empty: none"`
	NATSSeedFile string `yaml:"nats_seed_file" usage:"file with the nkey seed of this node's role"`

	// ControlURL is where a node follows the control log when the bus is down, and gets what the bus does not
	// carry. Without it and without NATS the node knows of no purge.
	ControlURL string `yaml:"control_url" usage:"URL of the control plane; empty: none"`
	// TierTokenFile holds the secret by which the nodes of a fleet know each other.
	TierTokenFile string `yaml:"tier_token_file" usage:"file with the secret by which tiers know each other"`
	// StateFile keeps what the node knows of the control log, so that it starts without control. The node
	// replaces it as a whole; its folder must be there. Without it a node that starts while control is
	// away takes what it finds stored for unknown.
	StateFile string `yaml:"state_file" usage:"file that keeps the node's view of the control log over restarts; empty: none"`

	// Version of the binary. Not a setting.
	Version string `yaml:"-"`
}

// DefaultConfig is what a node does unless told otherwise.
func DefaultConfig(name, listen string) Config {
	return Config{
		Node: name, Region: "r1", Listen: listen,
		LogLevel: "info", LogFormat: "text", DrainTimeout: runner.DefaultDrainTimeout,
	}
}

// Validate fills in AdminListen and reports the first setting that can not work.
func (c *Config) Validate() error {
	if err := bus.ValidName(c.Node); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	if err := bus.ValidName(c.Region); err != nil {
		return fmt.Errorf("region: %w", err)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen %q is not host:port", c.Listen)
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
