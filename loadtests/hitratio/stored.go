package hitratio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/allegro/bigcache/v3"

	"tiercache/edge/l1"
	"tiercache/shared/object"
)

// stored is a cache of real values: one for an object up to object.SegmentSize; for a larger one an entry and segments,
// in the order in which a fill stores them. All of them must be there for a hit.
type stored struct {
	lookup func(key string) ([]byte, bool, error)
	store  func(key string, value []byte) error
	zeros  []byte
	fills  uint64 // numbers bodies, as their random identifiers do
}

func (c *stored) ask(obj uint64, size int) (bool, error) {
	key := string(binary.BigEndian.AppendUint64(make([]byte, object.EntryKeySize-8, object.EntryKeySize), obj))
	value, found, err := c.lookup(key)
	if err != nil {
		return false, err
	}
	if found {
		if found, err = c.whole(key, value); found || err != nil {
			return found, err
		}
	}
	if size <= object.SegmentSize {
		return false, c.store(key, c.zeros[:size])
	}
	return false, c.fill(key, size)
}

// entrySize is about what an entry without a body takes. Its first byte, 1, tells it from a value of zeros.
const entrySize = 256

// fill stores the segments of a body, and then its entry.
func (c *stored) fill(key string, size int) error {
	c.fills++
	entry := make([]byte, entrySize)
	entry[0] = 1
	binary.BigEndian.PutUint64(entry[1:], c.fills)
	segments := (size + object.SegmentSize - 1) / object.SegmentSize
	binary.BigEndian.PutUint32(entry[9:], uint32(segments))
	for i := range segments {
		part := min(object.SegmentSize, size-i*object.SegmentSize)
		if err := c.store(segmentKey(key, entry, i), c.zeros[:part]); err != nil {
			return err
		}
	}
	return c.store(key, entry)
}

// whole says whether all segments are there.
func (c *stored) whole(key string, value []byte) (bool, error) {
	if len(value) != entrySize || value[0] != 1 {
		return true, nil
	}
	for i := range int(binary.BigEndian.Uint32(value[9:])) {
		if _, found, err := c.lookup(segmentKey(key, value, i)); !found || err != nil {
			return false, err
		}
	}
	return true, nil
}

func segmentKey(key string, entry []byte, index int) string {
	return object.SegmentKey(key, object.BodyID(entry[1:17]), uint32(index))
}

// newL1 is the cache of an edge, as it ships. All that it takes is in the budget: keys, buffers and tables too.
func newL1(budget int64) (cache, error) {
	c, err := l1.New(l1.Config{Size: budget})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return &stored{
		zeros: make([]byte, object.SegmentSize),
		lookup: func(key string) ([]byte, bool, error) {
			value, err := c.Lookup(ctx, key)
			if errors.Is(err, object.ErrNotFound) {
				return nil, false, nil
			}
			return value, err == nil, err
		},
		store: func(key string, value []byte) error { return c.Store(ctx, key, value, 0) },
	}, nil
}

// newBigcache is a bigcache that has the whole budget for its rings, with as many shards as let a ring hold 8 segments.
func newBigcache(budget int64) (cache, error) {
	const mib = 1 << 20
	cfg := bigcache.DefaultConfig(1 << 62)
	cfg.Verbose, cfg.CleanWindow, cfg.HardMaxCacheSize = false, 0, int(budget/mib)
	cfg.Shards = 1
	for cfg.Shards < 256 && int64(2*cfg.Shards)*8*object.MaxValueSize <= budget {
		cfg.Shards *= 2
	}
	cfg.MaxEntriesInWindow, cfg.MaxEntrySize = cfg.Shards, int(budget)/cfg.Shards // rings are full-grown from the start
	c, err := bigcache.New(context.Background(), cfg)
	if err != nil {
		return nil, fmt.Errorf("bigcache: %w", err)
	}
	return &stored{
		zeros: make([]byte, object.SegmentSize),
		lookup: func(key string) ([]byte, bool, error) {
			value, err := c.Get(key)
			if errors.Is(err, bigcache.ErrEntryNotFound) {
				return nil, false, nil
			}
			return value, err == nil, err
		},
		store: c.Set,
	}, nil
}
