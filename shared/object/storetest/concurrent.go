package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"tiercache/shared/object"
)

const (
	workers = 8
	rounds  = 100
)

// concurrent has workers store, look up and remove the same few keys at once.
// Whatever is found must be a value that somebody stored under that key, whole.
func (s *suite) concurrent(t *testing.T) {
	store := s.open(t)
	keys := make([]string, 5)
	for i := range keys {
		keys[i] = newKey(t)
	}
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for worker := range workers {
		wg.Go(func() { errs <- exercise(store, keys, worker) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

// exercise is one worker's part. Values are segments, so that decoding one tells
// whether it is whole and belongs to its key.
func exercise(store object.Store, keys []string, worker int) error {
	ctx := context.Background()
	for round := range rounds {
		i := (round + worker) % len(keys)
		key, id := keys[i], object.BodyID([]byte(keys[i]))
		data := make([]byte, (worker*997+round*131)%9000)
		if err := store.Store(ctx, key, object.AppendSegment(nil, id, uint32(i), data), 0); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		value, err := store.Lookup(ctx, key)
		if err != nil && !errors.Is(err, object.ErrNotFound) {
			return fmt.Errorf("lookup: %w", err)
		}
		if err == nil {
			if _, err := object.DecodeSegment(value, id, uint32(i)); err != nil {
				return fmt.Errorf("value under key %d: %w", i, err)
			}
		}
		if round%7 == 0 {
			if err := store.Remove(ctx, key); err != nil {
				return fmt.Errorf("remove: %w", err)
			}
		}
	}
	return nil
}
