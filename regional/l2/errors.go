package l2

import (
	"context"
	"errors"
	"net"
)

// Errors of stores and of the breaker. To a cache each is a miss, or a response
// that is not kept.
var (
	// ErrUnavailable: the breaker is open, so the store was not asked.
	ErrUnavailable = errors.New("l2: store is unavailable")
	// ErrFull: the store answered that it has no room and evicts nothing. It can
	// still be read, so this does not open the breaker.
	ErrFull = errors.New("l2: store is full")
)

// isTimeout reports whether err says that time ran out, by a deadline of ours or
// of the connection.
func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
