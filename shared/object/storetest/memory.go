package storetest

import (
	"context"
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

var _ object.Store = (*Memory)(nil)

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
