package l2

import (
	"context"
	"errors"
	"iter"

	"tiercache/shared/object"
)

var _ object.Walker = (*Breaker)(nil)

// errNoWalk: the kind of store cannot be gone through.
var errNoWalk = errors.New("l2: this kind of store cannot be gone through")

// Walk implements [object.Walker]: what the store yields. It is counted nowhere, and does not bear on the breaker: a
// walk is nobody's request. Beyond the store's errors there is ErrUnavailable, before it begins.
func (b *Breaker) Walk(ctx context.Context) iter.Seq2[object.Item, error] {
	walker, err := b.walker()
	if err != nil {
		return func(yield func(object.Item, error) bool) { yield(object.Item{}, err) }
	}
	return walker.Walk(ctx)
}

// Values implements [object.Walker]. Beyond the store's errors there is ErrUnavailable.
func (b *Breaker) Values(ctx context.Context) (int, error) {
	walker, err := b.walker()
	if err != nil {
		return 0, err
	}
	return walker.Values(ctx)
}

func (b *Breaker) walker() (object.Walker, error) {
	walker, ok := b.store.(object.Walker)
	switch {
	case !ok:
		return nil, errNoWalk
	case !b.Available():
		return nil, ErrUnavailable
	}
	return walker, nil
}
