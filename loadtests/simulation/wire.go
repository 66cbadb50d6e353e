package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// tierField proves to a node that another one of the fleet asks.
const (
	tierField = "Tiercache-Tier"
	secret    = "secret"
)

// request is one on its way, for whoever serves it.
type request struct {
	method, host, target string
	header               httpcache.Fields
}

// response is what came of it: head first, the body in parts.
type response struct {
	status int
	header httpcache.Fields
	length int64
	parts  chan []byte   // closed at the end of the body
	cut    chan struct{} // closed when the body breaks off
	left   chan struct{} // closed when the client does not read any more
	leave  sync.Once
}

// server answers requests that have arrived. It calls answer once, and returns when the body was sent.
type server func(ctx context.Context, r *request, answer func(status int, header httpcache.Fields, length int64) *response)

// send carries a request to a process and waits for the response's head. Errors wrap those of package proxy.
func (w *world) send(ctx context.Context, from, to *endpoint, serve server, wait time.Duration, r *request) (*response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, proxy.ErrTimeout)
	defer cancel()
	if err := w.net.hop(ctx, from, to); err != nil {
		return nil, outcome(err)
	}
	heads := make(chan *response, 1)
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer stop()
		defer close(heads)
		serve(serving, r, func(status int, header httpcache.Fields, length int64) *response {
			p := &response{status: status, header: header, length: length, parts: make(chan []byte), cut: make(chan struct{}), left: make(chan struct{})}
			if w.net.hop(serving, to, from) == nil {
				heads <- p
			} else {
				p.leave.Do(func() { close(p.left) })
			}
			return p
		})
	}()
	select {
	case p, ok := <-heads:
		if !ok {
			return nil, fmt.Errorf("%w: closed without an answer", proxy.ErrUnreachable)
		}
		return p, nil
	case <-to.gone:
	case <-from.gone:
	case <-ctx.Done():
	}
	stop()
	go func() {
		if p := <-heads; p != nil {
			p.leave.Do(func() { close(p.left) })
		}
	}()
	if ctx.Err() != nil {
		return nil, outcome(context.Cause(ctx))
	}
	return nil, fmt.Errorf("%w: the connection broke", proxy.ErrUnreachable)
}

// outcome is an error as a client of HTTP has it.
func outcome(err error) error {
	if errors.Is(err, errRefused) {
		return fmt.Errorf("%w: %w: %w", proxy.ErrUnreachable, proxy.ErrConnect, err)
	}
	if errors.Is(err, proxy.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", proxy.ErrTimeout, err)
	}
	return fmt.Errorf("%w: %w", proxy.ErrUnreachable, err)
}

// write sends a part of the body; false when nobody reads any more.
func (p *response) write(part []byte) bool {
	if len(part) == 0 {
		return true
	}
	select {
	case p.parts <- part:
		return true
	case <-p.left:
		return false
	}
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
	select {
	case <-b.response.left:
		return 0, io.ErrClosedPipe
	default:
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
	ctx, cancel := context.WithTimeoutCause(b.ctx, b.stall, proxy.ErrTimeout)
	defer cancel()
	select {
	case part, ok := <-b.response.parts:
		switch b.left -= int64(len(part)); {
		case ok:
			return part, nil
		case b.left > 0: // shorter than its head says
			return nil, io.ErrUnexpectedEOF
		}
		return nil, io.EOF
	case <-b.response.cut:
		return nil, io.ErrUnexpectedEOF
	case <-b.to.gone:
		return nil, io.ErrUnexpectedEOF
	case <-b.from.gone:
		return nil, errDead
	case <-b.response.left:
		return nil, io.ErrClosedPipe
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (b *reader) Close() error {
	b.response.leave.Do(func() { close(b.response.left) })
	return nil
}

// call is an exchange at a proxy: proxy.Exchange.
type call struct {
	request *request
	answer  func(status int, header httpcache.Fields, length int64) *response
}

func (c *call) Method() string           { return c.request.method }
func (c *call) Protocol() string         { return "1.1" }
func (c *call) Scheme() string           { return "http" }
func (c *call) Authority() string        { return c.request.host }
func (c *call) Target() string           { return c.request.target }
func (c *call) Header() httpcache.Header { return c.request.header }
func (c *call) Body() (io.Reader, int64) { return nil, 0 }
func (c *call) Peer() string             { return "192.0.2.1" }
func (c *call) Hint([]byte)              {}

// Reply sends the head and then the body as it comes.
func (c *call) Reply(status int, fields []byte, body proxy.Payload) {
	var header httpcache.Fields
	for line := range strings.SplitSeq(strings.TrimSuffix(string(fields), "\r\n"), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			header = append(header, httpcache.Field{Name: name, Value: value})
		}
	}
	length := body.Length
	if body.Stream == nil {
		length = max(length, int64(len(body.Bytes)))
	}
	p := c.answer(status, header, length)
	if body.Stream != nil {
		defer func() { _ = body.Stream.Close() }() // how it ends is told below
	}
	switch {
	case c.request.method == "HEAD" || status == 304 || status == 204:
		close(p.parts)
		return
	case body.Stream == nil:
		if p.write(bytes.Clone(body.Bytes)) {
			close(p.parts)
		}
		return
	}
	for {
		part := make([]byte, 64)
		n, err := body.Stream.Read(part)
		if !p.write(part[:n]) {
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			close(p.parts)
			return
		case err != nil:
			close(p.cut)
			return
		}
	}
}

// serve is a node's listener: requests that come before it is ready find nobody.
func (p *process) serve(ctx context.Context, r *request, answer func(int, httpcache.Fields, int64) *response) {
	if p.ready.Load() {
		p.handle(ctx, &call{r, answer})
	}
}

// tiers is a node's way to other nodes and to the origin: peers.Tiers.
type tiers struct {
	from *process

	mu      sync.Mutex
	waiting map[string]map[*wait]struct{} // for the head of a response, by address
}

// wait is a request that waits for a response.
type wait struct{ end context.CancelCauseFunc }

// How much longer a node is waited for than an upstream, and how long the origin is at most, as in package tier.
const (
	tierSlack  = 5 * time.Second
	originHead = 10 * time.Second
)

// errGivenUp: the node answers nobody.
var errGivenUp = errors.New("the node was given up")

func (t *tiers) Fetch(ctx context.Context, addr string, timeout time.Duration, r *proxy.Request) (*proxy.Response, error) {
	to := t.from.world.at(addr)
	if to == nil || !to.ready.Load() {
		return nil, outcome(errRefused)
	}
	response, err := t.fetch(ctx, addr, to.ep, to.serve, limits{head: timeout + tierSlack, stall: timeout + tierSlack}, r)
	if err == nil {
		t.from.world.checkTier(to, r, response)
	}
	return response, err
}

func (t *tiers) FetchOrigin(ctx context.Context, addr string, timeout time.Duration, r *proxy.Request) (*proxy.Response, error) {
	w := t.from.world
	return t.fetch(ctx, addr, w.origin, w.atOrigin, limits{head: min(timeout, originHead), stall: timeout}, r)
}

func (t *tiers) fetch(ctx context.Context, addr string, to *endpoint, serve server, limit limits, r *proxy.Request) (*proxy.Response, error) {
	header := r.Header.Clone()
	header.Set(tierField, secret)
	if r.SafeToRetry() {
		var end func()
		limit.givenUp, end = t.wait(addr)
		defer end()
	}
	return t.from.exchange(ctx, to, serve, limit, &request{r.Method, r.Host, r.Target, header}, true)
}

// wait is closed when the node there is given up before end was called.
func (t *tiers) wait(addr string) (givenUp context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	w := &wait{cancel}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting == nil {
		t.waiting = map[string]map[*wait]struct{}{}
	}
	if t.waiting[addr] == nil {
		t.waiting[addr] = map[*wait]struct{}{}
	}
	t.waiting[addr][w] = struct{}{}
	return ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.waiting[addr], w)
		cancel(nil)
	}
}

// GiveUp fails the requests that wait for the node there.
func (t *tiers) GiveUp(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.waiting[addr] {
		w.end(errGivenUp)
	}
}

// limits is how long the other side may take: for the head of a response, and for each part of its body. It is none
// when the other side was given up; nil: nobody does that.
type limits struct {
	head, stall time.Duration
	givenUp     context.Context
}

// exchange sends a request of this process.
func (p *process) exchange(ctx context.Context, to *endpoint, serve server, limit limits, r *request, fromTier bool) (*proxy.Response, error) {
	waiting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if limit.givenUp != nil {
		defer context.AfterFunc(limit.givenUp, func() { stop(context.Cause(limit.givenUp)) })()
	}
	answer, err := p.world.send(waiting, p.ep, to, serve, limit.head, r)
	if err != nil {
		return nil, err
	}
	return &proxy.Response{
		Status: answer.status, Header: answer.header, Length: answer.length, FromTier: fromTier,
		Body: answer.body(ctx, p.ep, to, limit.stall, r.method),
	}, nil
}

func (t *tiers) Ping(ctx context.Context, addr string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, proxy.ErrTimeout)
	defer cancel()
	to := t.from.world.at(addr)
	if to == nil {
		return outcome(errRefused)
	}
	if err := t.from.world.net.hop(ctx, t.from.ep, to.ep); err != nil {
		return outcome(err)
	}
	if !to.ready.Load() {
		return outcome(errRefused)
	}
	if err := t.from.world.net.hop(ctx, to.ep, t.from.ep); err != nil {
		return outcome(err)
	}
	return nil
}

// foreign is a regional node's way to a site.
type foreign struct{ from *process }

func (f *foreign) Fetch(ctx context.Context, service *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	w := f.from.world
	return f.from.exchange(ctx, w.site, w.serveSite, limits{head: service.ResponseTimeout(), stall: service.ResponseTimeout()}, &request{r.Method, r.Host, r.Target, r.Header}, false)
}

// upstreams is proxy.Upstream of a regional node: the origin, or the service's site.
type upstreams struct {
	tiers   *tiers
	foreign *foreign
}

func (u *upstreams) Fetch(ctx context.Context, service *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	if service.Upstream == policy.UpstreamOrigin {
		return u.tiers.FetchOrigin(ctx, "", service.ResponseTimeout(), r)
	}
	return u.foreign.Fetch(ctx, service, r)
}
