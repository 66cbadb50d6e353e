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

// server answers requests that have arrived. It calls answer once, and returns when the body was sent.
type server func(ctx context.Context, r *request, answer func(status int, header httpcache.Fields, length int64) *response)

// send carries a request to a process and waits for the response's head. Errors wrap those of package proxy.
func (w *world) send(limit *limit, from, to *endpoint, serve server, r *request) (*response, error) {
	if err := w.net.carry(limit, from, to); err != nil {
		return nil, outcome(err)
	}
	p := &response{}
	serving, stop := context.WithCancel(context.Background())
	w.crew.do(func() {
		defer stop()
		serve(serving, r, func(status int, header httpcache.Fields, length int64) *response {
			p.status, p.header, p.length = status, header, length
			if w.net.hop(serving, to, from) == nil {
				p.arrive()
			} else {
				p.leave()
			}
			return p
		})
		p.close()
	})
	err := p.head(limit, from, to)
	if err != nil {
		stop()
		p.leave()
		return nil, outcome(err)
	}
	return p, nil
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
		p.end(io.EOF)
		return
	case body.Stream == nil:
		p.write(bytes.Clone(body.Bytes))
		p.end(io.EOF)
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
			p.end(io.EOF)
			return
		case err != nil:
			p.end(io.ErrUnexpectedEOF)
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
type wait struct{ givenUp chan struct{} } // closed when it need not wait any longer

// How much longer a node is waited for than an upstream, and how long the origin is at most, as in package tier.
const (
	tierSlack  = 5 * time.Second
	originHead = 10 * time.Second
)

func (t *tiers) Fetch(ctx context.Context, addr string, timeout time.Duration, r *proxy.Request) (*proxy.Response, error) {
	to := t.from.world.at(addr)
	if to == nil || !to.ready.Load() {
		return nil, outcome(errRefused)
	}
	response, err := t.fetch(ctx, addr, to.ep, to.serve, patient{head: timeout + tierSlack, stall: timeout + tierSlack}, r)
	if err == nil {
		t.from.world.checkTier(to, r, response)
	}
	return response, err
}

func (t *tiers) FetchOrigin(ctx context.Context, addr string, timeout time.Duration, r *proxy.Request) (*proxy.Response, error) {
	w := t.from.world
	return t.fetch(ctx, addr, w.origin, w.atOrigin, patient{head: min(timeout, originHead), stall: timeout}, r)
}

func (t *tiers) fetch(ctx context.Context, addr string, to *endpoint, serve server, how patient, r *proxy.Request) (*proxy.Response, error) {
	header := r.Header.Clone()
	header.Set(tierField, secret)
	if r.SafeToRetry() {
		var end func()
		how.givenUp, end = t.wait(addr)
		defer end()
	}
	return t.from.exchange(ctx, to, serve, how, &request{r.Method, r.Host, r.Target, header}, true)
}

// wait is closed when the node there is given up before end was called.
func (t *tiers) wait(addr string) (givenUp <-chan struct{}, end func()) {
	w := &wait{make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting == nil {
		t.waiting = map[string]map[*wait]struct{}{}
	}
	if t.waiting[addr] == nil {
		t.waiting[addr] = map[*wait]struct{}{}
	}
	t.waiting[addr][w] = struct{}{}
	return w.givenUp, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.waiting[addr], w)
	}
}

// GiveUp fails the requests that wait for the node there.
func (t *tiers) GiveUp(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.waiting[addr] {
		close(w.givenUp)
		delete(t.waiting[addr], w)
	}
}

// patient is how long the other side may take: for the head of a response, and for each part of its body. It is none
// when the other side was given up; nil: nobody does that.
type patient struct {
	head, stall time.Duration
	givenUp     <-chan struct{}
}

// exchange sends a request of this process.
func (p *process) exchange(ctx context.Context, to *endpoint, serve server, how patient, r *request, fromTier bool) (*proxy.Response, error) {
	limit := within(ctx, how.head)
	limit.givenUp = how.givenUp
	answer, err := p.world.send(limit, p.ep, to, serve, r)
	if err != nil {
		return nil, err
	}
	return &proxy.Response{
		Status: answer.status, Header: answer.header, Length: answer.length, FromTier: fromTier,
		Body: answer.body(ctx, p.ep, to, how.stall, r.method),
	}, nil
}

func (t *tiers) Ping(ctx context.Context, addr string, timeout time.Duration) error {
	limit := within(ctx, timeout)
	to := t.from.world.at(addr)
	if to == nil {
		return outcome(errRefused)
	}
	if err := t.from.world.net.carry(limit, t.from.ep, to.ep); err != nil {
		return outcome(err)
	}
	if !to.ready.Load() {
		return outcome(errRefused)
	}
	if err := t.from.world.net.carry(limit, to.ep, t.from.ep); err != nil {
		return outcome(err)
	}
	return nil
}

// foreign is a regional node's way to a site.
type foreign struct{ from *process }

func (f *foreign) Fetch(ctx context.Context, service *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	w := f.from.world
	return f.from.exchange(ctx, w.site, w.serveSite, patient{head: service.ResponseTimeout(), stall: service.ResponseTimeout()}, &request{r.Method, r.Host, r.Target, r.Header}, false)
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
