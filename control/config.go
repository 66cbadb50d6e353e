package control

import (
	"errors"

	"tiercache/shared/node"
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
}

// DefaultConfig is what a control node does unless told otherwise.
func DefaultConfig() Config {
	return Config{Config: node.DefaultConfig("control-1", "127.0.0.1:7070")}
}

// Validate reports the first setting that can not work.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.AdminTokenFile == "" {
		return errors.New("admin_token_file is empty: name a file with a token, which the API then accepts")
	}
	return nil
}
