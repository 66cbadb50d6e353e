// Package tier fetches from other nodes of the fleet with fasthttp's client. It proves the fleet's
// token, sends the target byte for byte and counts a body as whole only by its length, or by the seal
// that a tier sends behind a body of unknown length: fasthttp alone would take a chunked body that is
// cut between two chunks for complete.
//
// It picks no node and retries on no other; its callers do. Start reading at Client.Fetch.
package tier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
	"tiercache/shared/proxy/foreign"
)

// TokenField carries the fleet's token between tiers.
const TokenField = "Tiercache-Tier"

// Limits of the client.
const (
	connectTimeout = time.Second
	idleConn       = 30 * time.Second
	maxConns       = 1024
	connWait       = 2 * time.Second
	maxHeadBytes   = 96 << 10
	attempts       = 2 // when a kept connection turns out closed
	// slack is how much longer a tier is waited for than it waits itself.
	slack = 5 * time.Second
	// originHead bounds the wait for the head of the origin's responses: it waits for nothing but its database,
	// and for that a few seconds at most.
	originHead = 10 * time.Second
)

// Client fetches from nodes of the fleet. It is safe for concurrent use.
type Client struct {
	token   string
	uploads *foreign.Client // for requests with a body, and pings

	mu struct {
		sync.Mutex
		hosts map[hostKey]*host
	}
}

// hostKey tells connections apart: how long the node may take is a property of the connection.
type hostKey struct {
	addr  string
	limit patience
	once  bool // connections for one request each, which must not be sent twice
}

// host is a node as one kind of requests see it. Of fasthttp's client it uses the pool of connections; exchange.go says
// why not more.
type host struct {
	*fasthttp.HostClient
	conns conns
}

// New returns a client that proves token. It opens nothing.
func New(token string) *Client {
	c := &Client{token: token, uploads: foreign.New()}
	c.mu.hosts = map[hostKey]*host{}
	return c
}

// Close ends the idle connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.mu.hosts {
		h.CloseIdleConnections()
	}
}

// ParseURL returns the host:port of a node's URL, which must be plain http without a path.
func ParseURL(node string) (addr string, err error) {
	u, err := url.Parse(node)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.Path != "" && u.Path != "/" || u.User != nil {
		if strings.Contains(node, "@") { // it may carry a password
			return "", errors.New("the address of a node has neither user name nor password: use http://HOST:PORT")
		}
		return "", fmt.Errorf("node address %q: use http://HOST:PORT", node)
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "80"), nil
	}
	return u.Host, nil
}

// Fetch sends the request to the node at addr (host:port). timeout is the service's: the node is given
// a little longer for the head and for each part of the body. Errors wrap those of package proxy.
func (c *Client) Fetch(ctx context.Context, addr string, timeout time.Duration, r *proxy.Request) (*proxy.Response, error) {
	return c.fetch(ctx, addr, forTier(timeout), r)
}

// FetchOrigin is Fetch for the origin, which waits for no other node: it is given the service's timeout for each part
// of the body, and at most 10 s for the head.
func (c *Client) FetchOrigin(ctx context.Context, addr string, timeout time.Duration, r *proxy.Request) (*proxy.Response, error) {
	return c.fetch(ctx, addr, patience{head: min(timeout, originHead), stall: timeout}, r)
}

// forTier is how long a node is waited for that waits for others itself.
func forTier(timeout time.Duration) patience {
	return patience{head: timeout + slack, stall: timeout + slack}
}

// GiveUp ends the requests to the node at addr that wait for a response and may be sent again: they fail with an
// ErrUnreachable. It is for those who know that the node answers nobody.
func (c *Client) GiveUp(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, h := range c.mu.hosts {
		if key.addr == addr && !key.once {
			h.conns.giveUp()
		}
	}
}

func (c *Client) fetch(ctx context.Context, addr string, limit patience, r *proxy.Request) (*proxy.Response, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if r.Body != nil {
		return c.upload(ctx, addr, limit.stall, r)
	}
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	c.fill(request, addr, r)
	response.StreamBody = true
	response.Header.SetNoDefaultContentType(true)
	response.SkipBody = r.Method == fasthttp.MethodHead
	host := c.host(hostKey{addr: addr, limit: limit, once: request.ConnectionClose()})
	leased, err := host.exchange(request, response, r.Hint)
	if err != nil {
		fasthttp.ReleaseResponse(response)
		if err = classify(err); errors.Is(err, proxy.ErrUnreachable) {
			host.CloseIdleConnections() // one by one, each could fail a request and make the node look gone for longer
		}
		return nil, err
	}
	if response.StatusCode() == fasthttp.StatusSwitchingProtocols {
		fasthttp.ReleaseResponse(response)
		leased.give(false) // what the node sends on this one is no HTTP
		return nil, errSwitched
	}
	return receive(ctx, response, leased), nil
}

// upload sends a request with a body. fasthttp's client reads no response before it has written the whole
// request, so it would lose the reply of a node that refuses a long body; net/http's does not, and needs
// no seal either.
func (c *Client) upload(ctx context.Context, addr string, stall time.Duration, r *proxy.Request) (*proxy.Response, error) {
	sent := *r
	if c.token != "" {
		sent.Header = append(slices.Clone(r.Header), httpcache.Field{Name: TokenField, Value: c.token})
	}
	response, err := c.uploads.Send(ctx, &url.URL{Scheme: "http", Host: addr}, r.Host, stall, &sent)
	if err != nil {
		return nil, err
	}
	response.FromTier = true
	return response, nil
}

// Ping asks the node at addr whether it answers, within the timeout. Unlike a request for a client, it
// tells a node that hangs from one that waits for its upstream.
func (c *Client) Ping(ctx context.Context, addr string, timeout time.Duration) error {
	response, err := c.uploads.Send(ctx, &url.URL{Scheme: "http", Host: addr}, addr, timeout, &proxy.Request{Method: fasthttp.MethodOptions, Target: "*"})
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func (c *Client) fill(request *fasthttp.Request, addr string, r *proxy.Request) {
	h := &request.Header
	h.SetMethod(r.Method)
	h.SetRequestURI("/") // the target is set below
	for _, f := range r.Header {
		h.Add(f.Name, f.Value)
	}
	h.SetHost(r.Host)
	request.UseHostHeader = true
	if c.token != "" {
		h.Set(TokenField, c.token)
	}
	if !r.SafeToRetry() {
		// Nobody could tell a kept connection that the node has closed from one that broke under the
		// request, which must not be sent again.
		request.SetConnectionClose()
	}
	// fasthttp sends the path that it is given and the query behind it, but drops an empty one. So the query
	// is part of the path here.
	uri := request.URI()
	uri.DisablePathNormalizing = true
	uri.SetScheme("http")
	uri.SetHost(addr)
	uri.SetPath(r.Target)
}

func (c *Client) host(key hostKey) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.mu.hosts[key]; h != nil {
		return h
	}
	h := &host{}
	h.HostClient = &fasthttp.HostClient{
		Addr:                key.addr,
		Dial:                dialer(key.limit, &h.conns),
		MaxConns:            maxConns,
		MaxConnWaitTimeout:  connWait,
		MaxIdleConnDuration: idleConn,
		ReadBufferSize:      maxHeadBytes,
	}
	c.mu.hosts[key] = h
	return h
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, fasthttp.ErrTimeout) || errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, fasthttp.ErrDialTimeout)
}

func classify(err error) error {
	switch {
	case errors.Is(err, proxy.ErrRequestBody), errors.Is(err, proxy.ErrProtocol):
		return err
	case errors.Is(err, fasthttp.ErrNoFreeConns):
		return fmt.Errorf("%w: %w", proxy.ErrBusy, err)
	case isTimeout(err):
		return fmt.Errorf("%w: %w", proxy.ErrTimeout, err)
	}
	return fmt.Errorf("%w: %w", proxy.ErrUnreachable, err)
}
