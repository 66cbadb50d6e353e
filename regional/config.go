package regional

import (
	"errors"
	"fmt"
	"time"

	"tiercache/regional/l2/redis"
	"tiercache/shared/config"
	"tiercache/shared/node"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// Tier is this tier's name on the bus, in metrics and logs.
const Tier = "regional"

// Config of a regional node.
type Config struct {
	node.Config `yaml:",inline"`

	// L2 is the kind of store that the region's nodes share.
	L2 string `yaml:"l2" usage:"kind of shared store: redis"`
	// RedisAddrs are host:port of one server, or of some nodes of a Cluster.
	RedisAddrs []string `yaml:"redis_addrs" usage:"host:port of Redis; several: nodes of a Cluster"`
	// RedisPasswordFile holds Redis' password; empty for none.
	RedisPasswordFile string `yaml:"redis_password_file" usage:"file with the password of Redis; empty: none"`
	// L2Prefix begins every key, so that one Redis can serve several fleets.
	L2Prefix string `yaml:"l2_prefix" usage:"begin of every key in L2"`
	// L2Timeout bounds a call of L2; after some that failed in a row L2 is left alone for a while.
	L2Timeout time.Duration `yaml:"l2_timeout" usage:"how long a call of L2 may take"`

	// MaxObjectSize is the largest body that is stored; larger ones flow through.
	MaxObjectSize config.Size `yaml:"max_object_size" usage:"largest body that is stored"`
	// MaxFills caps the requests to an upstream in flight, per service.
	MaxFills int `yaml:"max_fills" usage:"requests to an upstream in flight per service"`
	// MaxRequestBody is the largest request body that is passed on.
	MaxRequestBody config.Size `yaml:"max_request_body" usage:"largest request body that is passed on"`

	// OriginURL is the origin of services whose upstream is "origin".
	OriginURL string `yaml:"origin_url" usage:"URL of the origin"`

	// Services are the service documents, until the control log has some.
	Services []policy.Service `yaml:"services"`
}

// DefaultConfig is what a regional node does unless told otherwise.
func DefaultConfig() Config {
	return Config{
		Config:         node.DefaultConfig("regional-1", "127.0.0.1:7090"),
		L2:             "redis",
		RedisAddrs:     []string{"127.0.0.1:6379"},
		L2Prefix:       "tc:",
		L2Timeout:      500 * time.Millisecond,
		MaxObjectSize:  proxy.DefaultMaxObject,
		MaxFills:       proxy.DefaultMaxFills,
		MaxRequestBody: proxy.DefaultMaxRequestBody,
	}
}

// Validate reports the first setting that can not work.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.L2 != "redis" {
		return fmt.Errorf("l2 %q is not supported: use redis", c.L2)
	}
	if len(c.Services) == 0 && c.ControlURL == "" {
		return errors.New("services is empty: give at least one service document, or control_url, which has them")
	}
	if c.L2Timeout < time.Millisecond || c.L2Timeout > 10*time.Second {
		return fmt.Errorf("l2_timeout %s: use 1ms to 10s", c.L2Timeout)
	}
	if c.MaxFills <= 0 || c.MaxObjectSize <= 0 || c.MaxRequestBody <= 0 {
		return errors.New("max_fills, max_object_size and max_request_body must be positive")
	}
	if err := c.needsOrigin(); err != nil {
		return err
	}
	if err := c.redis("").Validate(); err != nil {
		return fmt.Errorf("redis_addrs: %w", err)
	}
	_, err := policy.NewSet(c.Services)
	return err
}

func (c *Config) needsOrigin() error {
	for i := range c.Services {
		if c.Services[i].Upstream == policy.UpstreamOrigin && c.OriginURL == "" {
			return fmt.Errorf("origin_url is empty, but service %s has upstream origin", c.Services[i].Name)
		}
	}
	return nil
}

func (c *Config) redis(password string) redis.Config {
	return redis.Config{Addrs: c.RedisAddrs, Password: password, Prefix: c.L2Prefix, Timeout: c.L2Timeout}
}
