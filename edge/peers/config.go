package peers

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"tiercache/shared/proxy/tier"
)

// Config says which nodes there are.
type Config struct {
	// Region is the edge's own.
	Region string
	// Regionals are URLs of regional nodes, each as "URL" (in the edge's region) or "REGION=URL".
	Regionals []string
	// Origin is the origin's URL, "" when there is none.
	Origin string
	// DirectCap bounds the requests in flight that pass by all regional nodes. Zero is DefaultDirectCap.
	DirectCap int
}

// DefaultDirectCap is what a whole edge may ask of the origin while no regional node answers.
const DefaultDirectCap = 32

// Backoff after a failure: doubled with each further one. It bounds how long a node that has come back
// is passed over.
const (
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 4 * time.Second
)

// parse returns the nodes and the origin's address.
func (c Config) parse() (nodes []*node, origin string, err error) {
	for _, entry := range c.Regionals {
		region, url, found := strings.Cut(entry, "=")
		if !found {
			region, url = c.Region, entry
		}
		addr, err := tier.ParseURL(url)
		if err != nil {
			return nil, "", fmt.Errorf("regionals: %w", err)
		}
		nodes = append(nodes, &node{addr: addr, own: region == c.Region, seed: xxhash.Sum64String(addr)})
	}
	if c.Origin != "" {
		if origin, err = tier.ParseURL(c.Origin); err != nil {
			return nil, "", fmt.Errorf("origin_url: %w", err)
		}
	}
	if c.DirectCap < 0 {
		return nil, "", errors.New("direct_cap is negative")
	}
	return nodes, origin, nil
}
