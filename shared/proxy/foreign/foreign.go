// Package foreign fetches from HTTP upstreams that are not ours, with net/http's Transport: it notices
// a chunked body that is cut at a chunk border, keeps interim responses apart from the final one and
// resolves names anew, which fasthttp's client does not.
//
// It refuses nothing and decides nothing about caching. Start reading at Client.Fetch.
package foreign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// Limits of the client.
const (
	connectTimeout   = 3 * time.Second
	idleTimeout      = 60 * time.Second
	maxConnsPerHost  = 256
	maxHeaderBytes   = 64 << 10
	maxIdlePerHost   = 64
	tlsHandshakeTime = 5 * time.Second
)

// errSwitched: no request of ours asks for another protocol (RFC 9110, 7.8), so nobody could speak it.
var errSwitched = errors.New("upstream switched protocols unasked")

// Client is an Upstream over net/http. It follows no redirect and keeps bodies as they are encoded.
type Client struct {
	kept  *http.Transport
	once  *http.Transport // for requests that must not be sent twice: a connection each
	bases sync.Map        // upstream URL of a service document -> *url.URL
}

// New returns a client. It opens nothing; Close ends idle connections.
func New() *Client {
	kept := transport()
	once := transport()
	once.MaxIdleConnsPerHost = -1 // none is kept, and no "Connection: close" makes the server hang up early
	return &Client{kept: kept, once: once}
}

func transport() *http.Transport {
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    tlsHandshakeTime,
		MaxConnsPerHost:        maxConnsPerHost,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
}

// Close ends the idle connections.
func (c *Client) Close() { c.kept.CloseIdleConnections() }

// Fetch implements proxy.Upstream. The service's timeout bounds the wait for the head and for each
// part of the body, either way.
func (c *Client) Fetch(ctx context.Context, service *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	base, err := c.base(service.Upstream)
	if err != nil {
		return nil, err
	}
	host := base.Host
	if service.PreserveHost {
		host = r.Host
	}
	if slices.ContainsFunc(r.Header, private) {
		stripped := *r
		stripped.Header = slices.DeleteFunc(r.Header.Clone(), private)
		r = &stripped
	}
	response, err := c.Send(ctx, base, host, service.ResponseTimeout(), r)
	if err == nil && !service.PreserveHost {
		localise(response.Header, base)
	}
	return response, err
}

// private reports whether a field is meant for our own tiers.
func private(f httpcache.Field) bool {
	const prefix = "Tiercache-"
	return len(f.Name) >= len(prefix) && strings.EqualFold(f.Name[:len(prefix)], prefix)
}

// Send is Fetch for a server without a service document: the request goes to base with that Host.
func (c *Client) Send(ctx context.Context, base *url.URL, host string, timeout time.Duration, r *proxy.Request) (*proxy.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stall := newStall(timeout, cancel)
	// On a kept connection nobody could tell one that the server has closed from one that broke under
	// the request.
	transport := c.kept
	if !r.SafeToRetry() {
		transport = c.once
	}
	response, err := transport.RoundTrip(request(base, host, stall, r).WithContext(withHints(ctx, r.Hint)))
	if err != nil {
		err = classify(ctx, err)
		stall.stop()
		return nil, err
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		_ = response.Body.Close() // the connection, of which nothing is wanted
		stall.stop()
		return nil, errSwitched
	}
	return &proxy.Response{
		Status: response.StatusCode,
		Header: fields(response.Header),
		Body:   &body{ReadCloser: response.Body, stall: stall},
		Length: response.ContentLength, Version: version(response),
	}, nil
}

func version(r *http.Response) httpcache.Flags {
	switch {
	case r.ProtoMajor == 2:
		return httpcache.FlagHTTP2
	case !r.ProtoAtLeast(1, 1):
		return httpcache.FlagHTTP10
	}
	return 0
}

// request builds the request line and fields.
func request(base *url.URL, host string, stall *stall, r *proxy.Request) *http.Request {
	request := &http.Request{
		Method: r.Method,
		URL:    target(base, host, r.Target),
		Host:   host,
		Header: make(http.Header, len(r.Header)),
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	for _, f := range r.Header {
		name := http.CanonicalHeaderKey(f.Name)
		request.Header[name] = append(request.Header[name], f.Value)
	}
	if _, ok := request.Header["User-Agent"]; !ok {
		request.Header["User-Agent"] = nil // net/http would add its own
	}
	if r.Body != nil {
		request.Body, request.ContentLength = io.NopCloser(&upload{r: r.Body, stall: stall}), r.Length
	}
	return request
}

// target is what makes net/http send a target byte for byte: it writes Opaque as it is, but takes what begins
// with two slashes for an authority. Such a path goes out as it is if nothing in it needs an escape, else in
// absolute-form, whose authority must be the Host: servers go by it (RFC 9112, 3.2.2).
func target(base *url.URL, host, raw string) *url.URL {
	path, query, hasQuery := strings.Cut(raw, "?")
	u := &url.URL{Scheme: base.Scheme, Host: base.Host, RawQuery: query, ForceQuery: hasQuery && query == ""}
	if !strings.HasPrefix(path, "//") {
		u.Opaque = path
		return u
	}
	if plain, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = plain, path
	}
	if u.EscapedPath() != path {
		u.Opaque = base.Scheme + "://" + host + path
	}
	return u
}

func (c *Client) base(upstream string) (*url.URL, error) {
	if u, ok := c.bases.Load(upstream); ok {
		return u.(*url.URL), nil
	}
	u, err := url.Parse(upstream)
	if err != nil {
		return nil, fmt.Errorf("parse upstream: %w", err)
	}
	c.bases.Store(upstream, u)
	return u, nil
}

// fields lists a header in the order of its names, which net/http does not keep.
func fields(h http.Header) httpcache.Fields {
	list := make(httpcache.Fields, 0, len(h))
	for name, values := range h {
		for _, v := range values {
			list = append(list, httpcache.Field{Name: name, Value: v})
		}
	}
	return list
}

// classify names the error for the proxy.
func classify(ctx context.Context, err error) error {
	var timeout net.Error
	var dial *net.OpError
	switch {
	case errors.Is(err, proxy.ErrRequestBody):
		return err
	case errors.Is(err, errInterims):
		return fmt.Errorf("%w: %w", proxy.ErrProtocol, err)
	case errors.Is(context.Cause(ctx), proxy.ErrTimeout), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w: %w", proxy.ErrTimeout, err)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("%w: %w: %w", proxy.ErrUnreachable, proxy.ErrConnect, err)
	}
	// net/http has no types for these.
	switch text := err.Error(); {
	case strings.Contains(text, "unsupported transfer encoding"):
		return fmt.Errorf("%w: %w", proxy.ErrCoding, err)
	case strings.Contains(text, "malformed "), strings.Contains(text, "transport connection broken"):
		return fmt.Errorf("%w: %w", proxy.ErrProtocol, err)
	}
	return fmt.Errorf("%w: %w", proxy.ErrUnreachable, err)
}
