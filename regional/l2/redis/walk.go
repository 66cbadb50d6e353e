package redis

import (
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"tiercache/shared/object"
)

const (
	// scanCount is about how many names one step of a walk asks for: what Redis' loop is held for, some tens of
	// microseconds.
	scanCount = 200

	// firstRead is how many bytes of each entry are read at once. Most heads are shorter.
	firstRead = 2 << 10
)

var _ object.Walker = (*Store)(nil)

// Walk implements [object.Walker] by SCAN, on each master in turn, and reads of the heads, without the bodies. It has
// connections of its own, which ask Redis not to count the reads as use (CLIENT NO-TOUCH, from Redis 7.2 on): an older
// server then evicts for a while as if all of it had just been read. Each call ends within Config.Timeout.
func (s *Store) Walk(ctx context.Context) iter.Seq2[object.Item, error] {
	return func(yield func(object.Item, error) bool) {
		w := walk{store: s, client: redis.NewUniversalClient(s.walkOptions()), yield: yield}
		defer func() { _ = w.client.Close() }() // nothing is under way
		if err := w.run(ctx); err != nil && !errors.Is(err, errEnough) {
			yield(object.Item{}, wrap("walk", err))
		}
	}
}

// walkOptions are those of connections whose reads are no use of what is read.
func (s *Store) walkOptions() *redis.UniversalOptions {
	o := s.cfg.options()
	o.PoolSize, o.MaxActiveConns = 2, 0
	o.OnConnect = func(ctx context.Context, c *redis.Conn) error {
		_ = c.Process(ctx, redis.NewCmd(ctx, "CLIENT", "NO-TOUCH", "ON")) // an older server does not know it
		return nil
	}
	return o
}

// Values implements [object.Walker].
func (s *Store) Values(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	n, err := s.client.DBSize(ctx).Result() // of a Cluster, that of all masters
	return int(n), wrap("count", err)
}

// errEnough: whoever walks wants no more.
var errEnough = errors.New("enough")

// walk is one walk.
type walk struct {
	store  *Store
	client redis.UniversalClient
	yield  func(object.Item, error) bool
	passed int
}

func (w *walk) run(ctx context.Context) error {
	servers, err := w.masters(ctx)
	for _, server := range servers {
		if err == nil {
			err = w.scan(ctx, server)
		}
	}
	return err
}

// masters are the servers that have all values.
func (w *walk) masters(ctx context.Context) (servers []*redis.Client, err error) {
	cluster, ok := w.client.(*redis.ClusterClient)
	if !ok {
		return []*redis.Client{w.client.(*redis.Client)}, nil // there is no third kind: see Config.options
	}
	ctx, cancel := context.WithTimeout(ctx, w.store.cfg.Timeout)
	defer cancel()
	var mu sync.Mutex
	err = cluster.ForEachMaster(ctx, func(_ context.Context, server *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		servers = append(servers, server)
		return nil
	})
	return servers, err
}

// scan goes through what one server has.
func (w *walk) scan(ctx context.Context, server *redis.Client) error {
	for cursor := uint64(0); ; {
		names, next, err := w.step(ctx, server, cursor)
		if err == nil {
			err = w.visit(ctx, names)
		}
		if err != nil || next == 0 {
			return err
		}
		cursor = next
	}
}

func (w *walk) step(ctx context.Context, server *redis.Client, cursor uint64) ([]string, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, w.store.cfg.Timeout)
	defer cancel()
	return server.Scan(ctx, cursor, "", scanCount).Result()
}

// visit yields the entries among names.
func (w *walk) visit(ctx context.Context, names []string) error {
	before := w.passed
	w.passed += len(names)
	items := make([]object.Item, 0, len(names))
	for i, name := range names {
		if key, ok := entryKey(w.store.cfg.Prefix, name); ok {
			items = append(items, object.Item{Key: key, Passed: before + i + 1})
		}
	}
	if err := w.read(ctx, items, func(*object.Item) int { return firstRead }); err != nil {
		return err
	}
	if err := w.read(ctx, items, lacks); err != nil {
		return err
	}
	for _, item := range items {
		if len(item.Value) > 0 && !w.yield(item, nil) { // nothing: it is gone
			return errEnough
		}
	}
	return ctx.Err()
}

// lacks is how many bytes of an item's value are to be read again, 0 for none: its head is longer than what was read.
func lacks(item *object.Item) int {
	size, err := object.HeadSize(item.Value)
	if err != nil || size <= len(item.Value) || len(item.Value) < firstRead {
		return 0
	}
	return size
}

// read reads the begin of each item's value, as much as length says, in one round trip for each server.
func (w *walk) read(ctx context.Context, items []object.Item, length func(*object.Item) int) error {
	ctx, cancel := context.WithTimeout(ctx, w.store.cfg.Timeout)
	defer cancel()
	pipeline := w.client.Pipeline()
	begins := make([]*redis.StringCmd, len(items))
	for i := range items {
		if n := length(&items[i]); n > 0 {
			begins[i] = pipeline.GetRange(ctx, w.store.name(items[i].Key), 0, int64(n)-1)
		}
	}
	if pipeline.Len() == 0 {
		return nil
	}
	if _, err := pipeline.Exec(ctx); err != nil {
		return err
	}
	for i, begin := range begins {
		if begin != nil {
			items[i].Value = []byte(begin.Val())
		}
	}
	return nil
}

// entryKey is the key of an entry by its name, see encodeKey; false for a segment's, and for what is not ours.
func entryKey(prefix, name string) (string, bool) {
	rest, ours := strings.CutPrefix(name, prefix+"{")
	rest, whole := strings.CutSuffix(rest, "}")
	key, err := base64.RawURLEncoding.DecodeString(rest)
	return string(key), ours && whole && err == nil && len(key) == object.EntryKeySize
}
