package l1

import (
	"context"
	"iter"

	"github.com/allegro/bigcache/v3"

	"tiercache/shared/object"
)

var _ object.Walker = (*Cache)(nil)

// Walk implements [object.Walker]. A shard is locked for readers while its hashes are copied, and for a moment for
// each value, for which nothing is stored or removed. What is evicted before the walk comes to it is passed over.
func (c *Cache) Walk(ctx context.Context) iter.Seq2[object.Item, error] {
	return func(yield func(object.Item, error) bool) {
		// Values move from small to main and never back, so none is missed, and one that was seen in small is known in main.
		seen := make(map[uint64]struct{}, c.small.Len())
		passed := 0
		for value, in := range c.values() {
			if err := ctx.Err(); err != nil {
				yield(object.Item{}, err)
				return
			}
			if _, again := seen[value.Hash()]; again {
				continue
			}
			if in == c.small {
				seen[value.Hash()] = struct{}{}
			}
			passed++
			if len(value.Key()) != object.EntryKeySize { // a segment
				continue
			}
			if !yield(object.Item{Key: value.Key(), Value: value.Value(), Passed: passed}, nil) {
				return
			}
		}
	}
}

// values yields what is in small, and then what is in main.
func (c *Cache) values() iter.Seq2[bigcache.EntryInfo, *bigcache.BigCache] {
	return func(yield func(bigcache.EntryInfo, *bigcache.BigCache) bool) {
		for _, in := range []*bigcache.BigCache{c.small, c.main} {
			values := in.Iterator()
			for {
				value, more, err := c.next(values)
				if !more {
					break
				}
				if err == nil && !yield(value, in) { // else it has gone
					return
				}
			}
		}
	}
}

// next goes on by one value while nothing moves.
func (c *Cache) next(values *bigcache.EntryInfoIterator) (value bigcache.EntryInfo, more bool, err error) {
	c.still.Lock()
	defer c.still.Unlock()
	if !values.SetNext() {
		return value, false, nil
	}
	value, err = values.Value()
	return value, true, err
}

// Values implements [object.Walker].
func (c *Cache) Values(context.Context) (int, error) { return c.small.Len() + c.main.Len(), nil }
