package l1

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/allegro/bigcache/v3"

	"tiercache/shared/object"
)

// Config is what an operator decides.
type Config struct {
	// Size is the budget in bytes, at least MinSize, for values and the buffers
	// that they need. Not in it: the index, about 40 bytes a value, and what the
	// garbage collector lets the process's heap grow to before it collects.
	Size int64
}

// Validate says whether New would take the configuration.
func (c Config) Validate() error {
	_, err := newLayout(c.Size)
	return err
}

// Cache is an [object.Store] in memory. It has no goroutine and nothing to close.
type Cache struct {
	cache     *bigcache.BigCache
	layout    layout
	evictions atomic.Uint64
	refused   atomic.Uint64
}

var _ object.Store = (*Cache)(nil)

// New returns an empty cache. The error says that the size is out of bounds.
func New(cfg Config) (*Cache, error) {
	return open(cfg, hasher{maphash.MakeSeed()})
}

func open(cfg Config, h bigcache.Hasher) (*Cache, error) {
	l, err := newLayout(cfg.Size)
	if err != nil {
		return nil, err
	}
	c := &Cache{layout: l}
	c.cache, err = bigcache.New(context.Background(), l.config(h, c.evicted))
	if err != nil {
		return nil, fmt.Errorf("l1: open bigcache: %w", err)
	}
	return c, nil
}

// config is bigcache's configuration for the layout.
func (l layout) config(h bigcache.Hasher, evicted func(string, []byte, bigcache.RemoveReason)) bigcache.Config {
	// bigcache starts a ring with entries × entry size bytes, at least 10 entries.
	const entries = 16
	return bigcache.Config{
		Shards:             l.shards,
		LifeWindow:         math.MaxInt64, // 292 years: freshness is the entry's affair
		CleanWindow:        0,             // no goroutine
		MaxEntriesInWindow: entries * l.shards,
		MaxEntrySize:       (l.initial + entries - 1) / entries,
		HardMaxCacheSize:   l.ringMiB,
		Hasher:             h,
		OnRemoveWithReason: evicted,
	}.OnRemoveFilterSet(bigcache.NoSpace)
}

// hasher places keys. The seed keeps clients from choosing keys that meet.
type hasher struct{ seed maphash.Seed }

// Sum64 implements bigcache.Hasher. It is never 0, by which bigcache marks a value
// as removed.
func (h hasher) Sum64(key string) uint64 {
	return max(maphash.String(h.seed, key), 1)
}

// evicted runs under a shard's lock and so must not call the cache.
func (c *Cache) evicted(string, []byte, bigcache.RemoveReason) { c.evictions.Add(1) }

// Lookup implements [object.Store]. It never waits for anything but a shard's lock.
func (c *Cache) Lookup(_ context.Context, key string) ([]byte, error) {
	if len(key) > object.MaxKeySize {
		return nil, object.ErrNotFound
	}
	value, err := c.cache.Get(key)
	if errors.Is(err, bigcache.ErrEntryNotFound) {
		return nil, object.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("l1: lookup: %w", err)
	}
	return value, nil
}

// Store implements [object.Store]. The value stays until it is the oldest of its
// shard and room is needed; ttl is ignored.
func (c *Cache) Store(_ context.Context, key string, value []byte, _ time.Duration) error {
	if err := object.CheckSize(key, value); err != nil {
		c.refused.Add(1)
		return err
	}
	if err := c.cache.Set(key, value); err != nil {
		return fmt.Errorf("l1: store: %w", err)
	}
	return nil
}

// Remove implements [object.Store].
func (c *Cache) Remove(_ context.Context, key string) error {
	if len(key) > object.MaxKeySize {
		return nil
	}
	if err := c.cache.Delete(key); err != nil && !errors.Is(err, bigcache.ErrEntryNotFound) {
		return fmt.Errorf("l1: remove: %w", err)
	}
	return nil
}
