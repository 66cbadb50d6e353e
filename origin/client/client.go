package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tiercache/origin/api"
)

// Limits on what the client waits for and takes from a server.
const (
	headerTimeout   = time.Minute + api.MaxWait
	continueTimeout = 2 * time.Second
	dialTimeout     = 5 * time.Second
	maxProblem      = 64 << 10
	maxDocument     = 128 << 20 // a page of the longest paths and fields
)

// Errors of a Client. Each is wrapped with what to do about it.
var (
	// ErrUnreachable says that the origin did not answer at all.
	ErrUnreachable = errors.New("the origin is unreachable")

	// ErrUnauthorized says that the origin does not accept the token; there is an *Error behind it.
	ErrUnauthorized = errors.New("the origin refuses the token")

	// ErrTimeout says that the origin did not answer within the request's own Timeout: a write may have happened.
	ErrTimeout = errors.New("the origin did not answer in time")

	// ErrStalled says that a body made no progress for stallTime.
	ErrStalled = errors.New("nothing was sent or received for " + stallTime.String())
)

// Error is an answer other than success.
type Error struct {
	Status int
	Detail string // what the origin says about it
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("origin: %d %s: %s", e.Status, http.StatusText(e.Status), e.Detail)
}

// Client talks to one origin. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// New returns a client of the origin at base, such as http://127.0.0.1:7080, for up to conns requests
// at a time. It does no I/O. An empty token is for public reads.
func New(base, token string, conns int) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("the origin's URL is not of the form http://127.0.0.1:7080") // not repeated: it may carry a password
	}
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   conns,
		MaxConnsPerHost:       conns,
		IdleConnTimeout:       30 * time.Second,
		ResponseHeaderTimeout: headerTimeout,
		ExpectContinueTimeout: continueTimeout,
		DisableCompression:    true, // bodies come as they are stored
	}
	return &Client{base: u, token: token, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request prepares a request for one object, or for a host when path is empty. The path goes out byte
// for byte, which URL.Path would not guarantee.
func (c *Client) request(ctx context.Context, method, host, path, query string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base.String(), body)
	if err != nil {
		return nil, err
	}
	req.URL.Opaque = api.Prefix + url.PathEscape(host) + path
	req.URL.RawQuery = query
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req, nil
}

// do sends req and returns a response with a status below 300, whose body the caller closes. The reply must come
// within patience, which counts from when all was sent; 0: the usual time.
// Errors: ErrUnreachable, ErrStalled, ErrTimeout, ErrUnauthorized, *Error, those of the request's context and its body.
func (c *Client) do(req *http.Request, patience time.Duration) (*http.Response, error) {
	watch, req := watched(req, patience)
	resp, err := c.http.Do(req)
	if err != nil {
		defer watch.stop()
		return nil, c.unanswered(watch, req, err)
	}
	resp.Body = watch.reply(resp.Body)
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }() // the error has what matters
	return nil, advise(problemOf(resp))
}

// unanswered explains why there is no response.
func (c *Client) unanswered(watch *stall, req *http.Request, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // the URL with its path says nothing that the caller does not know
	}
	where := req.Method + " " + c.base.Redacted()
	var network net.Error
	switch {
	case watch.over():
		return fmt.Errorf("%s: %w", where, context.Cause(req.Context()))
	case req.Context().Err() != nil:
		return fmt.Errorf("%s: %w", where, context.Cause(req.Context()))
	case errors.As(err, &network), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: is it running? `tiercache up` or `tiercache origin` starts it, --origin names another: %s: %w", ErrUnreachable, where, err)
	}
	return fmt.Errorf("%s: %w", where, err)
}

// advise says what to do about an answer that calls for another token.
func advise(e *Error) error {
	switch e.Status {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w: give a token of this platform with --token, TIERCACHE_TOKEN or --data-dir: %w", ErrUnauthorized, e)
	case http.StatusForbidden:
		return fmt.Errorf("%w: use one that may: %w", ErrUnauthorized, e)
	}
	return e
}

func problemOf(resp *http.Response) *Error {
	e := &Error{Status: resp.StatusCode}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil {
		e.Detail = "the explanation could not be read"
		return e
	}
	var p api.Problem
	if json.Unmarshal(b, &p) == nil && p.Detail != "" {
		e.Detail = p.Detail
		if p.RequestID != "" {
			e.Detail += " (request " + p.RequestID + ")"
		}
		return e
	}
	e.Detail = "no explanation; is this an origin?"
	return e
}

// document decodes a JSON reply and closes it.
func document(resp *http.Response, doc any) error {
	defer func() { _ = resp.Body.Close() }() // read to its end or given up
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxDocument)).Decode(doc); err != nil {
		return fmt.Errorf("read the origin's answer: %w", err)
	}
	return nil
}
