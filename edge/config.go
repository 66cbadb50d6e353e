package edge

import (
	"fmt"

	"tiercache/edge/l1"
	"tiercache/shared/config"
	"tiercache/shared/node"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// Tier is this tier's name on the bus, in metrics and logs.
const Tier = "edge"

// maxShareOfL1 is the part of L1 that one object may take: a larger one would push out all others.
const maxShareOfL1 = 8

// Config of an edge node.
type Config struct {
	node.Config `yaml:",inline"`

	// L1Size is the memory for stored responses, at least 8 MiB.
	L1Size config.Size `yaml:"l1_size" usage:"memory for stored responses"`
	// MaxObjectSize is the largest body that is stored; larger ones flow through. It is never more
	// than an eighth of L1Size.
	MaxObjectSize config.Size `yaml:"max_object_size" usage:"largest body that is stored"`
	// MaxFills caps the requests to the next tier in flight, per service.
	MaxFills int `yaml:"max_fills" usage:"requests to the next tier in flight per service"`
	// MaxRequestBody is the largest request body that is passed on.
	MaxRequestBody config.Size `yaml:"max_request_body" usage:"largest request body that is passed on"`

	// Regionals are the regional nodes: URLs, or REGION=URL for nodes of other regions.
	Regionals []string `yaml:"regionals" usage:"URLs of regional nodes; REGION=URL for other regions"`
	// OriginURL is asked when no regional node answers.
	OriginURL string `yaml:"origin_url" usage:"URL of the origin, asked when no regional node answers"`
	// DirectCap caps the requests in flight that pass by the regional nodes.
	DirectCap int `yaml:"direct_cap" usage:"requests in flight that may pass by the regional nodes"`

	// TrustTraceparent lets clients decide, by their traceparent field, which requests are traced. Leave
	// it off where clients are strangers: each traced request costs.
	TrustTraceparent bool `yaml:"trust_traceparent" usage:"let clients decide by traceparent which requests are traced"`

	// Services are the service documents, until the control log has some.
	Services []policy.Service `yaml:"services"`
}

// DefaultConfig is what an edge does unless told otherwise.
func DefaultConfig() Config {
	return Config{
		Config:         node.DefaultConfig("edge-1", "127.0.0.1:8080"),
		L1Size:         256 << 20,
		MaxObjectSize:  proxy.DefaultMaxObject,
		MaxFills:       proxy.DefaultMaxFills,
		MaxRequestBody: proxy.DefaultMaxRequestBody,
		DirectCap:      32,
	}
}

// Validate reports the first setting that can not work.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if len(c.Services) == 0 && c.ControlURL == "" {
		return fmt.Errorf("services is empty: give at least one service document, or control_url, which has them")
	}
	if c.MaxFills <= 0 || c.DirectCap <= 0 || c.MaxObjectSize <= 0 || c.MaxRequestBody <= 0 {
		return fmt.Errorf("max_fills, direct_cap, max_object_size and max_request_body must be positive")
	}
	if err := (l1.Config{Size: int64(c.L1Size)}).Validate(); err != nil {
		return fmt.Errorf("l1_size: %w", err)
	}
	_, err := policy.NewSet(c.Services)
	return err
}

func (c *Config) maxObject() int64 {
	return min(int64(c.MaxObjectSize), int64(c.L1Size)/maxShareOfL1)
}
