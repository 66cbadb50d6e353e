package control

import (
	"errors"
	"fmt"
	"time"

	"tiercache/shared/node"
	"tiercache/shared/policy"
)

// Tier is this tier's name on the bus, in metrics and logs.
const Tier = "control"

// Config of a control node.
type Config struct {
	// The API travels in the clear on Listen: bind it to a public address only behind TLS, since tokens
	// travel in it.
	node.Config `yaml:",inline"`

	// AdminTokenFile holds the token that may do everything. It is read when the node starts.
	AdminTokenFile string `yaml:"admin_token_file" usage:"file with the token that the API accepts"`

	// PostgresURL is the database with the control log, the same that the origin uses. Control starts
	// without it and waits.
	PostgresURL string `yaml:"postgres_url" usage:"URL of the PostgreSQL database with the control log"`

	// Retention is how long entries of the log are kept. A node that was away for longer fetches the
	// whole state instead of what it missed.
	Retention time.Duration `yaml:"retention" usage:"how long entries of the control log are kept"`

	// MaxMembers is how many edges, or regional nodes, the fleet may have. Who steals a credential of nodes can make
	// up members, for each of which each purge waits; this bounds how many.
	MaxMembers int `yaml:"max_members" usage:"how many members a tier may have"`

	// Services are the documents that are stored and activated at the first start, and whenever they
	// differ from what they were at the start before.
	Services []policy.Service `yaml:"services"`
}

// minRetention keeps what a node may still lack after a restart.
const minRetention = time.Minute

// DefaultConfig is what a control node does unless told otherwise.
func DefaultConfig() Config {
	return Config{Config: node.DefaultConfig("control-1", "127.0.0.1:7070"), Retention: 24 * time.Hour, MaxMembers: 5000}
}

// Validate reports the first setting that can not work.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.AdminTokenFile == "" {
		return errors.New("admin_token_file is empty: name a file with a token, which the API then accepts")
	}
	if c.PostgresURL == "" {
		return errors.New("postgres_url is empty: give the URL of the database that the fleet's origin uses")
	}
	if c.Retention < minRetention {
		return fmt.Errorf("retention %v is below %v", c.Retention, minRetention)
	}
	if c.MaxMembers < 1 {
		return fmt.Errorf("max_members %d is below 1", c.MaxMembers)
	}
	_, err := policy.NewSet(c.Services)
	return err
}
