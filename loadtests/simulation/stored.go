package simulation

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tiercache/shared/object"
)

// errStore: the store cannot be asked.
var errStore = errors.New("the store does not answer")

// memory is the double of L1 and of L2. L2 outlives its nodes, may be flushed, go away, or be an old copy of itself.
type memory struct {
	draw *chance // of how long a call takes; nil: no time

	mu     sync.Mutex
	down   bool
	values map[string][]byte
}

func newMemory(draw *chance) *memory { return &memory{draw: draw, values: map[string][]byte{}} }

// call takes its time and reports whether the store answers.
func (m *memory) call(ctx context.Context) error {
	if m.draw == nil {
		return nil
	}
	if err := sleep(ctx, m.draw.between(50*time.Microsecond, 800*time.Microsecond)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return errStore
	}
	return nil
}

func (m *memory) Lookup(ctx context.Context, key string) ([]byte, error) {
	if err := m.call(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.values[key]
	if !ok {
		return nil, object.ErrNotFound
	}
	return slices.Clone(value), nil
}

func (m *memory) Store(ctx context.Context, key string, value []byte, _ time.Duration) error {
	if err := object.CheckSize(key, value); err != nil {
		return err
	}
	if err := m.call(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[strings.Clone(key)] = slices.Clone(value)
	return nil
}

func (m *memory) Remove(ctx context.Context, key string) error {
	if err := m.call(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
	return nil
}

// Extend keeps a value longer, which nothing here needs.
func (m *memory) Extend(ctx context.Context, key string, _ time.Duration) error {
	_, err := m.Lookup(ctx, key)
	return err
}

func (m *memory) setDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// dump is a copy of what is stored, as a replica or a backup has it.
func (m *memory) dump() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.values)
}

// restore puts an older copy in the place of what is stored; nil flushes.
func (m *memory) restore(dump map[string][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values = maps.Clone(dump)
	if m.values == nil {
		m.values = map[string][]byte{}
	}
}
