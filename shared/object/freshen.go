package object

import (
	"context"
	"fmt"
	"time"
)

// Extender is what a [Store] with expiry offers beside: to keep a value longer
// without sending it again.
type Extender interface {
	// Extend makes the value under key last for ttl from now; 0 until it is
	// evicted. The error is ErrNotFound when there is none, or as of a Lookup.
	Extend(ctx context.Context, key string, ttl time.Duration) error
}

// Freshen stores the entry of h, whose body is stored already, in place of the one
// under key: h with what a revalidation changed, inline as DecodeEntry returned it.
// In a store with expiry the body's segments are first made to outlive the entry
// again. After an error the old entry is as it was; ErrNotFound means that a part
// of the body is gone, so that there is nothing to freshen.
func Freshen(ctx context.Context, store Store, key string, h *Head, inline []byte, ttl time.Duration) error {
	if extender, ok := store.(Extender); ok {
		for i := range h.Segments() {
			if err := extender.Extend(ctx, SegmentKey(key, h.BodyID, i), segmentTTL(ttl)); err != nil {
				return fmt.Errorf("extend segment %d: %w", i, err)
			}
		}
	}
	entry := AppendEntry(make([]byte, 0, EntrySize(h)), h, inline)
	if err := store.Store(ctx, key, entry, ttl); err != nil {
		return fmt.Errorf("store entry: %w", err)
	}
	return nil
}

// segmentTTL returns how long the segments of an entry are kept that is kept for
// ttl.
func segmentTTL(ttl time.Duration) time.Duration {
	if ttl <= 0 {
		return 0
	}
	return ttl + segmentGrace
}
