package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"tiercache/regional/l2"
	"tiercache/shared/object"
)

// Store is an [object.Store] in Redis. Every call ends within Config.Timeout,
// whatever Redis does, and earlier when its context does.
type Store struct {
	client redis.UniversalClient
	cfg    Config
}

var (
	_ object.Store    = (*Store)(nil)
	_ object.Extender = (*Store)(nil)
)

// New returns a store for the configuration, which it validates. It does not
// connect: a Redis that is down at the start is like one that goes down later.
func New(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	redis.SetLogger(silent{})
	return &Store{client: redis.NewUniversalClient(cfg.options()), cfg: cfg}, nil
}

// silent is go-redis' logger for the whole process. It would print to standard
// error, once a request while Redis is down; what it says is in the returned
// errors, and the breaker reports each change once.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// options spells out all that go-redis would otherwise choose in seconds.
func (c Config) options() *redis.UniversalOptions {
	retries := 1 // a pooled connection may have been closed while it was idle
	if len(c.Addrs) > 1 {
		retries = 0 // the Cluster client goes by MaxRedirects alone
	}
	return &redis.UniversalOptions{
		Addrs:                    c.Addrs,
		Password:                 c.Password,
		DialTimeout:              c.DialTimeout,
		DialerRetries:            1,
		ReadTimeout:              c.Timeout,
		WriteTimeout:             c.Timeout,
		PoolTimeout:              c.Timeout,
		ContextTimeoutEnabled:    true,
		MaxRetries:               retries,
		MinRetryBackoff:          time.Millisecond,
		MaxRetryBackoff:          5 * time.Millisecond,
		MaxRedirects:             2, // moved, and once more while a slot is on its way
		PoolSize:                 c.PoolSize,
		MaxActiveConns:           c.PoolSize,
		ConnMaxIdleTime:          5 * time.Minute,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// Close closes all connections. Calls under way fail.
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("redis: close: %w", err)
	}
	return nil
}

// Lookup implements [object.Store].
func (s *Store) Lookup(ctx context.Context, key string) ([]byte, error) {
	if len(key) > object.MaxKeySize {
		return nil, object.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	value, err := s.client.Get(ctx, s.name(key)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, object.ErrNotFound
	}
	if err != nil {
		return nil, wrap("lookup", err)
	}
	return value, nil
}

// Store implements [object.Store]. Redis drops the value after ttl, in
// milliseconds. Beyond the contract's errors there is l2.ErrFull.
func (s *Store) Store(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := object.CheckSize(key, value); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	return wrap("store", s.client.Set(ctx, s.name(key), value, expiry(ttl)).Err())
}

// Extend implements [object.Extender].
func (s *Store) Extend(ctx context.Context, key string, ttl time.Duration) error {
	if len(key) > object.MaxKeySize {
		return object.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	found, err := s.expire(ctx, s.name(key), expiry(ttl))
	if err == nil && !found {
		return object.ErrNotFound
	}
	return wrap("extend", err)
}

// expire sets when Redis drops a value and reports whether there is one. PERSIST
// does not tell a value that is kept for ever already from none.
func (s *Store) expire(ctx context.Context, name string, ttl time.Duration) (found bool, err error) {
	if ttl > 0 {
		return s.client.PExpire(ctx, name, ttl).Result()
	}
	if found, err = s.client.Persist(ctx, name).Result(); found || err != nil {
		return found, err
	}
	n, err := s.client.Exists(ctx, name).Result()
	return n > 0, err
}

// expiry returns ttl in Redis' resolution, milliseconds: 0 for none, else above 0.
func expiry(ttl time.Duration) time.Duration {
	if ttl <= 0 {
		return 0
	}
	return max(ttl, time.Millisecond)
}

// Remove implements [object.Store].
func (s *Store) Remove(ctx context.Context, key string) error {
	if len(key) > object.MaxKeySize {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	// UNLINK frees the value outside of Redis' event loop.
	return wrap("remove", s.client.Unlink(ctx, s.name(key)).Err())
}

func (s *Store) name(key string) string { return encodeKey(s.cfg.Prefix, key) }

// wrap adds the step to an error of Redis, and l2.ErrFull to the answer of a
// server that is out of memory.
func wrap(step string, err error) error {
	if err == nil {
		return nil
	}
	if strings.HasPrefix(err.Error(), "OOM ") {
		return fmt.Errorf("redis: %s: %w: %w", step, l2.ErrFull, err)
	}
	return fmt.Errorf("redis: %s: %w", step, err)
}
