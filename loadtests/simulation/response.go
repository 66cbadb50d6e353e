package simulation

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
)

// maxParts is how many parts of a body are under way before who sends it waits.
const maxParts = 16

// response is what came of a request: its head first, the body in parts.
type response struct {
	status int // this and what follows are set before it has arrived
	header httpcache.Fields
	length int64

	mu      sync.Mutex
	arrived bool          // the head has, where it was asked for
	closed  bool          // nothing more is said
	parts   [][]byte      // of the body, that were not read yet
	ending  error         // how the body ends behind them; nil: it has not ended
	left    bool          // the client does not read any more
	wake    chan struct{} // closed when any of these change; nil: nobody waits
}

// change changes it, and wakes who waits for that.
func (p *response) change(how func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	how()
	if p.wake != nil {
		close(p.wake)
		p.wake = nil
	}
}

// changed is closed when something has changed. p.mu is held.
func (p *response) changed() <-chan struct{} {
	if p.wake == nil {
		p.wake = make(chan struct{})
	}
	return p.wake
}

func (p *response) arrive()       { p.change(func() { p.arrived = true }) }
func (p *response) close()        { p.change(func() { p.closed = true }) }
func (p *response) leave()        { p.change(func() { p.left = true }) }
func (p *response) end(how error) { p.change(func() { p.ending = how }) }

// head waits for the head. Errors: proxy.ErrUnreachable, those of limit.
func (p *response) head(limit *limit, from, to *endpoint) error {
	for {
		p.mu.Lock()
		if p.arrived {
			p.mu.Unlock()
			return nil
		}
		closed, changed := p.closed, p.changed()
		p.mu.Unlock()
		switch {
		case closed:
			return fmt.Errorf("%w: closed without an answer", proxy.ErrUnreachable)
		case from.ended() || to.ended():
			return fmt.Errorf("%w: the connection broke", proxy.ErrUnreachable)
		}
		if err := limit.await(changed, from, to); err != nil {
			return err
		}
	}
}

// write sends a part of the body; false when nobody reads any more.
func (p *response) write(part []byte) bool {
	for {
		p.mu.Lock()
		if p.left || len(p.parts) < maxParts {
			break
		}
		changed := p.changed()
		p.mu.Unlock()
		<-changed
	}
	defer p.mu.Unlock()
	if p.left || len(part) == 0 {
		return !p.left
	}
	p.parts = append(p.parts, part)
	if p.wake != nil {
		close(p.wake)
		p.wake = nil
	}
	return true
}

// take is the next part of the body, what is closed when there is one, or how it ends.
func (p *response) take() (part []byte, changed <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.left: // meanwhile
		return nil, nil, io.ErrClosedPipe
	case len(p.parts) > 0:
		part, p.parts = p.parts[0], p.parts[1:]
		if len(p.parts) == maxParts-1 && p.wake != nil {
			close(p.wake)
			p.wake = nil
		}
		return part, nil, nil
	case p.ending != nil:
		return nil, nil, p.ending
	}
	return nil, p.changed(), nil
}

// abandoned reports whether the client reads no more.
func (p *response) abandoned() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// reader is a body as the one who asked reads it.
type reader struct {
	response *response
	from, to *endpoint
	ctx      context.Context // of the request: its end breaks the body off
	stall    time.Duration   // for each part
	left     int64           // of the body; negative when its length is not known
	rest     []byte
	err      error // sticky
}

// body is the body of a response to a request with that method.
func (p *response) body(ctx context.Context, from, to *endpoint, stall time.Duration, method string) *reader {
	b := &reader{response: p, from: from, to: to, ctx: ctx, stall: stall, left: p.length}
	if method == "HEAD" || p.status == 304 || p.status == 204 {
		b.left = 0
	}
	return b
}

func (b *reader) Read(into []byte) (int, error) {
	if b.response.abandoned() {
		return 0, io.ErrClosedPipe
	}
	if len(b.rest) == 0 && b.err == nil {
		b.rest, b.err = b.part()
	}
	if len(b.rest) == 0 {
		return 0, b.err
	}
	n := copy(into, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// part is the next part of the body.
func (b *reader) part() ([]byte, error) {
	limit := limit{ctx: b.ctx, by: time.Now().Add(b.stall)}
	for {
		part, changed, err := b.response.take()
		switch {
		case part != nil:
			b.left -= int64(len(part))
			return part, nil
		case err == io.EOF && b.left > 0: // shorter than its head says
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case b.to.ended():
			return nil, io.ErrUnexpectedEOF
		case b.from.ended():
			return nil, errDead
		}
		if err := limit.await(changed, b.from, b.to); err != nil {
			return nil, err
		}
	}
}

func (b *reader) Close() error {
	b.response.leave()
	return nil
}
