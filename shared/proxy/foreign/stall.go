package foreign

import (
	"context"
	"io"
	"time"

	"tiercache/shared/proxy"
)

// stall cancels an exchange that makes no progress for its limit.
type stall struct {
	limit  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

func newStall(limit time.Duration, cancel context.CancelCauseFunc) *stall {
	return &stall{limit: limit, cancel: cancel, timer: time.AfterFunc(limit, func() { cancel(proxy.ErrTimeout) })}
}

// stop ends the watch and releases the context.
func (s *stall) stop() {
	s.timer.Stop()
	s.cancel(nil)
}

// body watches each read: the time in which nobody reads does not count, so that a slow client is not
// taken for a slow upstream.
type body struct {
	io.ReadCloser
	stall *stall
}

func (b *body) Read(p []byte) (int, error) {
	b.stall.timer.Reset(b.stall.limit)
	n, err := b.ReadCloser.Read(p)
	b.stall.timer.Stop()
	return n, err
}

func (b *body) Close() error {
	defer b.stall.stop()
	return b.ReadCloser.Close()
}

// upload counts each part of the request's body that is taken as progress.
type upload struct {
	r     io.Reader
	stall *stall
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	u.stall.timer.Reset(u.stall.limit)
	return n, err
}
