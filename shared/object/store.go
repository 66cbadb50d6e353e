package object

import (
	"context"
	"errors"
	"time"
)

// Errors of stores.
var (
	// ErrNotFound: the store holds no value under the key. It is also the answer
	// of a store that dropped it: expiry, eviction and loss look the same.
	ErrNotFound = errors.New("object: not found")
	// ErrTooLarge: the key is above MaxKeySize or the value above MaxValueSize.
	// Nothing was stored, and what was under the key before is untouched.
	ErrTooLarge = errors.New("object: too large for the store")
)

// CheckSize returns ErrTooLarge for what no store takes, else nil. Stores call it
// first, so that a value is refused by all of them or by none.
func CheckSize(key string, value []byte) error {
	if len(key) > MaxKeySize || len(value) > MaxValueSize {
		return ErrTooLarge
	}
	return nil
}

// Store is what L1 and L2 do. Values are opaque encoded entries and segments;
// keys are binary strings: the 16-byte digest of a cache key, or its
// [SegmentKey]. Methods may be called from any goroutine. Package storetest
// holds the contract as tests.
//
// Any error but ErrNotFound and ErrTooLarge means that the store could not be
// asked; to a cache it is a counted miss.
type Store interface {
	// Lookup returns the value under key or ErrNotFound. The caller owns the
	// bytes and may change them.
	Lookup(ctx context.Context, key string) ([]byte, error)
	// Store puts value under key in place of any older one, or returns
	// ErrTooLarge. The value may disappear at any time; after ttl it does, where
	// the store has expiry. ttl 0 keeps it until it is evicted. The store keeps
	// no reference to value after it returns.
	Store(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Remove deletes the value under key. An absent one is not an error.
	Remove(ctx context.Context, key string) error
}
