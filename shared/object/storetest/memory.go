package storetest

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"tiercache/shared/object"
)

// Memory is an unbounded [object.Store] for tests. It ignores ttl. The zero value
// is empty and ready.
type Memory struct {
	mu struct {
		sync.Mutex
		values map[string][]byte
	}
}

var (
	_ object.Store  = (*Memory)(nil)
	_ object.Walker = (*Memory)(nil)
)

// Lookup implements [object.Store].
func (m *Memory) Lookup(ctx context.Context, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.mu.values[key]
	if !ok {
		return nil, object.ErrNotFound
	}
	return slices.Clone(value), nil
}

// Store implements [object.Store].
func (m *Memory) Store(ctx context.Context, key string, value []byte, _ time.Duration) error {
	if err := object.CheckSize(key, value); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.values == nil {
		m.mu.values = map[string][]byte{}
	}
	m.mu.values[key] = append([]byte{}, value...)
	return nil
}

// Remove implements [object.Store].
func (m *Memory) Remove(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mu.values, key)
	return nil
}

// Keys returns the keys that are stored, in order.
func (m *Memory) Keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := make([]string, 0, len(m.mu.values))
	for key := range m.mu.values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Walk implements [object.Walker].
func (m *Memory) Walk(ctx context.Context) iter.Seq2[object.Item, error] {
	return func(yield func(object.Item, error) bool) {
		for i, key := range m.Keys() {
			value, err := m.Lookup(ctx, key)
			switch {
			case ctx.Err() != nil:
				yield(object.Item{}, ctx.Err())
				return
			case err == nil && len(key) == object.EntryKeySize && !yield(object.Item{Key: key, Value: value, Passed: i + 1}, nil):
				return
			}
		}
	}
}

// Values implements [object.Walker].
func (m *Memory) Values(context.Context) (int, error) { return len(m.Keys()), nil }
