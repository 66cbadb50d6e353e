package l1

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/allegro/bigcache/v3"

	"tiercache/shared/object"
)

// Config is what an operator decides.
type Config struct {
	// Size is the budget in bytes, at least MinSize, for values and the buffers
	// and tables that they need. Not in it: the index, about 40 bytes a value, and
	// what the garbage collector lets the process's heap grow to before it collects.
	Size int64
}

// Validate says whether New would take the configuration.
func (c Config) Validate() error {
	_, err := newLayout(c.Size)
	return err
}

// Cache is an [object.Store] in memory. It has no goroutine and nothing to close.
//
// INVARIANT: a hash is in small or in main, not in both, except while its stripe's
// lock is held.
type Cache struct {
	small, main *bigcache.BigCache
	hasher      bigcache.Hasher
	layout      layout
	uses        uses
	stripes     []stripe
	full        []bool // of a shard of main: its ring was full once; guarded by the stripe's lock

	// still is held by a walk while it looks at one value, for reading by whoever
	// changes something: what moves from one place to another is in none meanwhile.
	still   sync.RWMutex
	refused atomic.Uint64
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
	return l.open(h)
}

func (l layout) open(h bigcache.Hasher) (*Cache, error) {
	var err error
	c := &Cache{layout: l, hasher: h, uses: newUses(l.uses), stripes: make([]stripe, l.small.shards), full: make([]bool, l.main.shards)}
	for i := range c.stripes {
		c.stripes[i].ghost.open(l.ghosts, int64(l.main.mib)*mib/int64(l.small.shards))
	}
	c.small, err = bigcache.New(context.Background(), l.small.config(h, c.leftSmall))
	if err == nil {
		c.main, err = bigcache.New(context.Background(), l.main.config(h, c.leftMain))
	}
	if err != nil {
		return nil, fmt.Errorf("l1: open bigcache: %w", err)
	}
	return c, nil
}

// config is bigcache's configuration for the rings.
func (r rings) config(h bigcache.Hasher, left func(string, []byte, bigcache.RemoveReason)) bigcache.Config {
	// bigcache starts a ring with entries × entry size bytes, at least 10 entries.
	const entries = 16
	return bigcache.Config{
		Shards:             r.shards,
		LifeWindow:         math.MaxInt64, // 292 years: freshness is the entry's affair
		CleanWindow:        0,             // no goroutine
		MaxEntriesInWindow: entries * r.shards,
		MaxEntrySize:       (r.initial + entries - 1) / entries,
		HardMaxCacheSize:   r.mib,
		Hasher:             h,
		OnRemoveWithReason: left,
	}.OnRemoveFilterSet(bigcache.NoSpace)
}

// hasher places keys. The seed keeps clients from choosing keys that meet.
type hasher struct{ seed maphash.Seed }

// Sum64 implements bigcache.Hasher. It is never 0, by which bigcache marks a value
// as removed.
func (h hasher) Sum64(key string) uint64 {
	return max(maphash.String(h.seed, key), 1)
}

// Lookup implements [object.Store]. It waits for a shard's lock; before it says that
// there is nothing, also for a Store or Remove of the same stripe.
func (c *Cache) Lookup(_ context.Context, key string) ([]byte, error) {
	if len(key) > object.MaxKeySize {
		return nil, object.ErrNotFound
	}
	hash := c.hasher.Sum64(key)
	value, err := c.get(hash, key)
	if errors.Is(err, bigcache.ErrEntryNotFound) {
		value, err = c.getAgain(hash, key)
	}
	if errors.Is(err, bigcache.ErrEntryNotFound) {
		return nil, object.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("l1: lookup: %w", err)
	}
	return value, nil
}

// get looks first where the value is more likely to be, and counts it where it is.
func (c *Cache) get(hash uint64, key string) ([]byte, error) {
	first, second := c.small, c.main
	if c.uses.inMain(hash) {
		first, second = second, first
	}
	found := first
	value, err := first.Get(key)
	if errors.Is(err, bigcache.ErrEntryNotFound) {
		found = second
		value, err = second.Get(key)
	}
	if err == nil {
		c.uses.count(hash, found == c.main)
	}
	return value, err
}

// getAgain makes sure that a value was not only on its way from one place to another.
func (c *Cache) getAgain(hash uint64, key string) ([]byte, error) {
	s := c.stripe(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	value, err := c.get(hash, key)
	if err != nil {
		s.mu.stats.Misses++
	}
	return value, err
}

// Store implements [object.Store]. The value stays until room is needed and others
// of its age were asked for more; ttl is ignored.
func (c *Cache) Store(_ context.Context, key string, value []byte, _ time.Duration) error {
	if err := object.CheckSize(key, value); err != nil {
		c.refused.Add(1)
		return err
	}
	hash := c.hasher.Sum64(key)
	s := c.stripe(hash)
	c.still.RLock()
	defer c.still.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := c.put(s, hash, key, value); err != nil {
		return fmt.Errorf("l1: store: %w", err)
	}
	return nil
}

// Remove implements [object.Store].
func (c *Cache) Remove(_ context.Context, key string) error {
	if len(key) > object.MaxKeySize {
		return nil
	}
	hash := c.hasher.Sum64(key)
	s := c.stripe(hash)
	c.still.RLock()
	defer c.still.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := c.remove(hash, key); err != nil {
		return fmt.Errorf("l1: remove: %w", err)
	}
	return nil
}
