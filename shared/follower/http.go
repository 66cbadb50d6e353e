package follower

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tiercache/shared/controllog"
)

// Limits of exchanges with control over HTTP.
const (
	httpRenewTime = time.Second
	httpFetchTime = 5 * time.Second
	httpImageTime = time.Minute

	maxRenewReply = 64 << 10
	maxLogReply   = 8 << 20
	maxImage      = 1 << 30
)

// errNoHTTP: control can only be reached over NATS.
var errNoHTTP = errors.New("no control_url")

// controlHTTP asks control over HTTP.
type controlHTTP struct {
	base, token string
	client      *http.Client
}

// newControlHTTP makes what asks the control node at that URL; nil without one.
func newControlHTTP(base, token string, transport http.RoundTripper) *controlHTTP {
	if base == "" {
		return nil
	}
	if transport == nil {
		transport = &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute}
	}
	return &controlHTTP{base: strings.TrimSuffix(base, "/"), token: token, client: &http.Client{
		Transport: transport,
		// The token is for this address and no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *controlHTTP) close() {
	if c != nil {
		c.client.CloseIdleConnections()
	}
}

func (c *controlHTTP) renew(ctx context.Context, payload []byte) ([]byte, error) {
	if c == nil {
		return nil, errNoHTTP
	}
	ctx, cancel := context.WithTimeout(ctx, httpRenewTime)
	defer cancel()
	_, body, err := c.do(ctx, http.MethodPost, "/v1/node/renew", payload, maxRenewReply)
	return body, err
}

// fetch asks for the entries behind an epoch.
func (c *controlHTTP) fetch(ctx context.Context, request controllog.Fetch) (controllog.FetchReply, error) {
	if c == nil {
		return controllog.FetchReply{}, errNoHTTP
	}
	ctx, cancel := context.WithTimeout(ctx, httpFetchTime)
	defer cancel()
	query := "after=" + strconv.FormatUint(request.After, 10) + "&chain=" + strconv.FormatUint(request.Chain, 10)
	header, body, err := c.do(ctx, http.MethodGet, "/v1/node/log?"+query, nil, maxLogReply)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusGone {
		return controllog.FetchReply{Compacted: true}, nil
	}
	if errors.As(err, &status) && status.code == http.StatusConflict {
		return controllog.FetchReply{Branched: true}, nil
	}
	if err != nil {
		return controllog.FetchReply{}, err
	}
	head, err := strconv.ParseUint(header.Get(controllog.HeadHeader), 10, 63)
	if err != nil {
		return controllog.FetchReply{}, fmt.Errorf("%s of control: %w", controllog.HeadHeader, err)
	}
	return controllog.FetchReply{Head: head, Entries: body}, nil
}

func (c *controlHTTP) image(ctx context.Context) (*controllog.Image, error) {
	if c == nil {
		return nil, errNoHTTP
	}
	ctx, cancel := context.WithTimeout(ctx, httpImageTime)
	defer cancel()
	_, body, err := c.do(ctx, http.MethodGet, "/v1/node/image", nil, maxImage)
	if err != nil {
		return nil, err
	}
	return controllog.DecodeImage(body)
}

// statusError is an answer other than 200.
type statusError struct {
	path string
	code int
}

func (e *statusError) Error() string { return fmt.Sprintf("control answered %d to %s", e.code, e.path) }

func (c *controlHTTP) do(ctx context.Context, method, path string, payload []byte, limit int64) (http.Header, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(payload))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set(controllog.TierHeader, c.token)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or given up
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	case response.StatusCode != http.StatusOK:
		return nil, nil, &statusError{path, response.StatusCode}
	case int64(len(body)) > limit:
		return nil, nil, fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	return response.Header, body, nil
}

// decodeRenewReply reads an answer to the request with that nonce.
func decodeRenewReply(b []byte, nonce string) (controllog.RenewReply, error) {
	r, err := controllog.DecodeRenewReply(b)
	if err != nil {
		return r, fmt.Errorf("answer to a renewal: %w", err)
	}
	if r.Nonce != nonce {
		return r, errNonce
	}
	return r, nil
}

// errNonce: the answer is to another request.
var errNonce = errors.New("an answer to another renewal")
