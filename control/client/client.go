package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// DefaultURL is where control listens unless told otherwise.
	DefaultURL = "http://127.0.0.1:7070"

	// timeout bounds a request with its reply, unless control is asked to wait for longer.
	timeout = 10 * time.Second

	// maxReply bounds a reply's body, in bytes.
	maxReply = 32 << 20
)

// Errors of a Client. Each is wrapped with what to do about it.
var (
	// ErrUnreachable says that control did not answer at all.
	ErrUnreachable = errors.New("control is unreachable")

	// ErrUnauthorized says that control does not accept the token.
	ErrUnauthorized = errors.New("control refuses the token")
)

// Config of a Client.
type Config struct {
	URL   string // DefaultURL when empty
	Token string // sent as a bearer token; empty: none
}

// Client speaks to one control node. It is safe for concurrent use.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// New returns a client; it does not connect.
func New(cfg Config) (*Client, error) {
	if cfg.URL == "" {
		cfg.URL = DefaultURL
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Contains(u.Path, "@") {
		return nil, fmt.Errorf("control URL is not of the form %s", DefaultURL) // not repeated: it may carry a password
	}
	return &Client{base: strings.TrimSuffix(cfg.URL, "/"), token: cfg.Token, http: &http.Client{
		// A redirect would carry the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Fleet lists the nodes. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) Fleet(ctx context.Context) (Fleet, error) {
	var f Fleet
	err := c.get(ctx, "/v1/fleet", &f)
	return f, err
}

// Version asks the node for its version; no token is needed. Errors: ErrUnreachable, *Problem.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var v Version
	err := c.get(ctx, "/v1/version", &v)
	return v, err
}
