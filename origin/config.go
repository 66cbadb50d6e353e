package origin

import (
	"errors"
	"fmt"
	"net"
	"time"

	"tiercache/shared/config"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
)

// maxObjectLimit bounds max_object_size: a body is read and written in chunks, but its versions and
// copies are all in the database.
const maxObjectLimit = 16 << 30

// Config of an origin node.
type Config struct {
	Node         string        `yaml:"node" usage:"name of this node, unique in the fleet"`
	Region       string        `yaml:"region" usage:"region that this node is in"`
	Listen       string        `yaml:"listen" usage:"host:port for public reads and the API"`
	AdminListen  string        `yaml:"admin_listen" usage:"host:port of health, metrics and profiles; empty: listen's port + 10000 on 127.0.0.1"`
	LogLevel     string        `yaml:"log_level" usage:"debug, info, warn or error"`
	LogFormat    string        `yaml:"log_format" usage:"text or json"`
	DrainTimeout time.Duration `yaml:"drain_timeout" usage:"how long a stop may take"`

	telemetry.Config `yaml:",inline"`

	NATSURL       string `yaml:"nats_url" usage:"URL of the message bus; empty: none"`
	NATSSeedFile  string `yaml:"nats_seed_file" usage:"file with the nkey seed of the origin's role"`
	ControlURL    string `yaml:"control_url" usage:"URL of the control plane"`
	TierTokenFile string `yaml:"tier_token_file" usage:"file with the secret by which tiers know each other"`

	// PostgresURL is where objects are kept; the origin starts without it and waits.
	PostgresURL string `yaml:"postgres_url" usage:"URL of the PostgreSQL database that keeps the objects"`

	// MaxObjectSize bounds one body; a larger PUT gets 413. At most 16GiB.
	MaxObjectSize config.Size `yaml:"max_object_size" usage:"largest object"`

	// KeepVersions counts the current version too.
	KeepVersions int           `yaml:"keep_versions" usage:"versions kept of an object, the current one included"`
	KeepAge      time.Duration `yaml:"keep_age" usage:"how long a version is kept after it was replaced or deleted"`

	// AdminTokenFile holds the token that may do everything; without it the API lets nobody in.
	AdminTokenFile string `yaml:"admin_token_file" usage:"file with the token that the API accepts; empty: the API refuses everybody"`
}

// DefaultConfig is what an origin does unless told otherwise.
func DefaultConfig() Config {
	return Config{
		Node:          "origin-1",
		Region:        "r1",
		Listen:        "127.0.0.1:7080",
		LogLevel:      "info",
		LogFormat:     "text",
		DrainTimeout:  runner.DefaultDrainTimeout,
		MaxObjectSize: 64 << 20,
		KeepVersions:  10,
		KeepAge:       168 * time.Hour,
	}
}

// Validate fills in AdminListen and reports the first setting that cannot work.
func (c *Config) Validate() error {
	if c.Node == "" {
		return errors.New("node is empty: give the node a name")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen %q is not host:port", c.Listen)
	}
	if c.PostgresURL == "" {
		return errors.New("postgres_url is empty: give the URL of a PostgreSQL database")
	}
	if err := c.validateLimits(); err != nil {
		return err
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

func (c *Config) validateLimits() error {
	switch {
	case c.MaxObjectSize < 1 || c.MaxObjectSize > maxObjectLimit:
		return fmt.Errorf("max_object_size %s is not between 1 byte and 16GiB", c.MaxObjectSize)
	case c.KeepVersions < 1:
		return fmt.Errorf("keep_versions %d is below 1: the current version is always kept", c.KeepVersions)
	case c.KeepAge <= 0:
		return fmt.Errorf("keep_age %v is not positive", c.KeepAge)
	case c.DrainTimeout <= 0:
		return fmt.Errorf("drain_timeout %v is not positive", c.DrainTimeout)
	}
	return nil
}
