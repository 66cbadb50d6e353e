package l1

import (
	"context"
	"iter"

	"tiercache/shared/object"
)

var _ object.Walker = (*Cache)(nil)

// Walk implements [object.Walker]. A shard is locked for readers while its hashes are copied, and for a moment for
// each value. What is evicted before the walk comes to it is passed over.
func (c *Cache) Walk(ctx context.Context) iter.Seq2[object.Item, error] {
	return func(yield func(object.Item, error) bool) {
		passed := 0
		for values := c.cache.Iterator(); values.SetNext(); {
			if err := ctx.Err(); err != nil {
				yield(object.Item{}, err)
				return
			}
			passed++
			value, err := values.Value()
			if err != nil || len(value.Key()) != object.EntryKeySize { // gone, or a segment
				continue
			}
			if !yield(object.Item{Key: value.Key(), Value: value.Value(), Passed: passed}, nil) {
				return
			}
		}
	}
}

// Values implements [object.Walker].
func (c *Cache) Values(context.Context) (int, error) { return c.cache.Len(), nil }
