package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Report is what the servers say about themselves. Of several the worst counts.
type Report struct {
	// Servers is how many were asked: one, or each master of a Cluster.
	Servers int
	// MaxMemory is the smallest limit of a server in bytes; 0 when one has none.
	MaxMemory int64
	// Policy is the maxmemory-policy; "noeviction" when one server has that.
	Policy string
}

// Warning says in one sentence what an operator should change, or is empty.
func (r Report) Warning() string {
	switch {
	case r.Policy == "noeviction" && r.MaxMemory > 0:
		return "redis has maxmemory-policy noeviction: when it is full nothing more is cached; set allkeys-lfu or allkeys-lru"
	case r.MaxMemory == 0:
		return "redis has no maxmemory: the cache grows until the machine is full; set maxmemory, and allkeys-lfu or allkeys-lru as maxmemory-policy"
	default:
		return ""
	}
}

// Check asks the servers for the settings that a cache depends on. An error means
// that a server did not answer within Config.Timeout, refused the password, or is
// no Redis; a setting that is bad for a cache is no error, see Report.Warning.
func (s *Store) Check(ctx context.Context) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	var mu sync.Mutex
	var report Report
	ask := func(ctx context.Context, server *redis.Client) error {
		info, err := server.Info(ctx, "memory").Result()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		return report.add(info)
	}
	var err error
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, ask)
	case *redis.Client:
		err = ask(ctx, c)
	}
	return report, wrap("check", err)
}

// add takes one server's INFO memory into the report.
func (r *Report) add(info string) error {
	limit, err := strconv.ParseInt(infoField(info, "maxmemory"), 10, 64)
	policy := infoField(info, "maxmemory_policy")
	if err != nil || policy == "" {
		return errors.New("INFO does not tell maxmemory and its policy")
	}
	if r.Servers == 0 || limit < r.MaxMemory {
		r.MaxMemory = limit
	}
	if r.Servers == 0 || policy == "noeviction" {
		r.Policy = policy
	}
	r.Servers++
	return nil
}

// infoField returns the value of one "name:value" line of INFO.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// String is the report in one line.
func (r Report) String() string {
	return fmt.Sprintf("%d servers, maxmemory %d, policy %s", r.Servers, r.MaxMemory, r.Policy)
}
