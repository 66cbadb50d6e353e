package origin

import (
	"errors"
	"fmt"
	"time"

	"tiercache/shared/config"
	"tiercache/shared/node"
)

// Tier is this tier's name on the bus, in metrics and logs.
const Tier = "origin"

// maxObjectLimit bounds max_object_size: a body is read and written in chunks, but its versions and
// copies are all in the database.
const maxObjectLimit = 16 << 30

// Config of an origin node.
type Config struct {
	node.Config `yaml:",inline"`

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
		Config:        node.DefaultConfig("origin-1", "127.0.0.1:7080"),
		MaxObjectSize: 64 << 20,
		KeepVersions:  10,
		KeepAge:       168 * time.Hour,
	}
}

// Validate reports the first setting that can not work.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.PostgresURL == "" {
		return errors.New("postgres_url is empty: give the URL of a PostgreSQL database")
	}
	return c.validateLimits()
}

func (c *Config) validateLimits() error {
	switch {
	case c.MaxObjectSize < 1 || c.MaxObjectSize > maxObjectLimit:
		return fmt.Errorf("max_object_size %s is not between 1 byte and 16GiB", c.MaxObjectSize)
	case c.KeepVersions < 1:
		return fmt.Errorf("keep_versions %d is below 1: the current version is always kept", c.KeepVersions)
	case c.KeepAge <= 0:
		return fmt.Errorf("keep_age %v is not positive", c.KeepAge)
	}
	return nil
}
