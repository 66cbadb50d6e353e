package redis

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Config is where Redis is and how long it may take. Zero durations and sizes take
// their defaults.
type Config struct {
	// Addrs are host:port of one server, or of some nodes of a Cluster, from which
	// the others are learned.
	Addrs []string
	// Password is sent to each server; empty for none. It is not in any error or
	// in the text of a Config.
	Password string
	// Prefix begins every key, so that one Redis can serve several fleets. It may
	// not contain braces, which decide a key's slot. Default "tc:".
	Prefix string
	// DialTimeout bounds connecting. Default 250 ms.
	DialTimeout time.Duration
	// Timeout bounds a whole call: waiting for a connection, connecting, the
	// answer, and a second attempt. Default 250 ms.
	Timeout time.Duration
	// PoolSize is the most connections to each server. Default 64.
	PoolSize int
}

// String describes the configuration without its password.
func (c Config) String() string {
	return fmt.Sprintf("redis %s prefix %q", strings.Join(c.Addrs, ","), c.Prefix)
}

// GoString is String, so that no verb prints the password.
func (c Config) GoString() string { return c.String() }

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if len(c.Addrs) == 0 {
		return errors.New("redis: no address")
	}
	for _, addr := range c.Addrs {
		if strings.Contains(addr, "@") { // not repeated: it may carry a password
			return errors.New("redis: a user name or a password in an address is not supported: use host:port and redis_password_file")
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("redis: address is not host:port: %w", err)
		}
	}
	if strings.ContainsAny(c.Prefix, "{}") {
		return fmt.Errorf("redis: prefix %q contains a brace", c.Prefix)
	}
	if len(c.Prefix) > 64 {
		return fmt.Errorf("redis: prefix of %d bytes, at most 64", len(c.Prefix))
	}
	if c.DialTimeout < 0 || c.Timeout < 0 || c.PoolSize < 0 {
		return errors.New("redis: negative timeout or pool size")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = "tc:"
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = 250 * time.Millisecond
	}
	if c.Timeout == 0 {
		c.Timeout = 250 * time.Millisecond
	}
	if c.PoolSize == 0 {
		c.PoolSize = 64
	}
	return c
}
