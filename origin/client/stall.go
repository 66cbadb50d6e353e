package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// stallTime is how long a body may make no progress, in either direction.
const stallTime = 30 * time.Second

// stall ends a request whose body makes no progress. What is waited for besides has limits of its own: connecting,
// and the head of the reply, unless the request has a shorter one.
type stall struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	patience time.Duration // from when all was sent until the head of the reply; 0: headerTimeout

	mu struct {
		sync.Mutex
		timer    *time.Timer
		over     error // what it means that the timer has run down
		answered bool  // the reply's head has come: how the request's body goes on does not matter
	}
}

// watched returns the request that is watched in the place of req.
func watched(req *http.Request, patience time.Duration) (*stall, *http.Request) {
	w := &stall{patience: patience}
	w.ctx, w.cancel = context.WithCancelCause(req.Context())
	w.mu.timer = time.AfterFunc(headerTimeout, w.end)
	w.mu.timer.Stop() // until a body moves
	if patience > 0 {
		w.sent() // or nobody wants the body
	}
	req = req.WithContext(w.ctx)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &upload{ReadCloser: req.Body, stall: w}
	}
	return w, req
}

// expect gives the body the time until it must have moved; 0: as long as it likes.
func (w *stall) expect(reply bool, within time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.mu.answered && !reply:
	case within == 0:
		w.mu.timer.Stop()
	default:
		w.mu.over = ErrStalled
		w.mu.timer.Reset(within)
	}
}

// sent gives the origin the time for its reply, now that all was sent.
func (w *stall) sent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.mu.answered:
	case w.patience == 0:
		w.mu.over = ErrStalled
		w.mu.timer.Reset(headerTimeout)
	default:
		w.mu.over = fmt.Errorf("%w: not within %v", ErrTimeout, w.patience)
		w.mu.timer.Reset(w.patience)
	}
}

// end ends the request.
func (w *stall) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel(w.mu.over)
}

// over reports whether the watch has ended the request.
func (w *stall) over() bool {
	err := context.Cause(w.ctx)
	return errors.Is(err, ErrStalled) || errors.Is(err, ErrTimeout)
}

// stop ends the watch and releases its context.
func (w *stall) stop() {
	w.expect(true, 0)
	w.cancel(nil)
}

// reply watches the reply's body, whose Close ends the watch.
func (w *stall) reply(body io.ReadCloser) io.ReadCloser {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.answered = true
	w.mu.timer.Stop()
	return &download{ReadCloser: body, stall: w}
}

// upload is a request's body. The time between two reads is what the origin takes for a part; a read itself may
// take as long as its source does, such as somebody who types.
type upload struct {
	io.ReadCloser
	stall *stall
}

func (u *upload) Read(p []byte) (int, error) {
	u.stall.expect(false, 0)
	n, err := u.ReadCloser.Read(p)
	if err != nil {
		u.stall.sent() // the last part is on its way, and then the reply's head
		return n, err
	}
	u.stall.expect(false, stallTime)
	return n, nil
}

// download is a reply's body. The time in which nobody reads does not count.
type download struct {
	io.ReadCloser
	stall *stall
}

func (d *download) Read(p []byte) (int, error) {
	d.stall.expect(true, stallTime)
	n, err := d.ReadCloser.Read(p)
	d.stall.expect(true, 0)
	if err != nil && d.stall.over() {
		err = ErrStalled
	}
	return n, err
}

func (d *download) Close() error {
	defer d.stall.stop()
	return d.ReadCloser.Close()
}
