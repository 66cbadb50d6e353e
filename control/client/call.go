package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// call is one request of the API.
type call struct {
	method, path string
	header       map[string]string
	// json is sent as the body; body, of the type in header, in its place when it is not nil.
	json any
	body []byte
	// patience is how long control may take; 0 is timeout.
	patience time.Duration
}

// do sends a call and decodes what a success answers into reply, unless that is nil.
// Errors: ErrUnreachable, ErrUnauthorized, *Problem, ctx's.
func (c *Client) do(ctx context.Context, call call, reply any) error {
	patience := max(call.patience, timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %v", patience))
	defer cancel()
	resp, err := c.send(ctx, call)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to the end or not wanted
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrUnreachable, context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("%w: the reply broke off: %w", ErrUnreachable, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return problem(resp, body)
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(body, reply); err != nil {
		return fmt.Errorf("%s did not answer as control does: %w", resp.Request.URL.Redacted(), err)
	}
	return nil
}

// send returns the reply with its body unread.
func (c *Client) send(ctx context.Context, call call) (*http.Response, error) {
	body := call.body
	if body == nil && call.json != nil {
		encoded, err := json.Marshal(call.json)
		if err != nil {
			return nil, fmt.Errorf("ask control: %w", err)
		}
		body = encoded
	}
	req, err := http.NewRequestWithContext(ctx, call.method, c.base+call.path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask control: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range call.header {
		req.Header.Set(name, value)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	switch {
	case err == nil:
		return resp, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, ctx.Err()
	case ctx.Err() != nil: // it is there, and hangs
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, context.Cause(ctx))
	}
	return nil, fmt.Errorf("%w: is it running? `tiercache up` or `tiercache control` starts it, --control names another: %w", ErrUnreachable, err)
}

// get asks for what is at path.
func (c *Client) get(ctx context.Context, path string, reply any) error {
	return c.do(ctx, call{method: http.MethodGet, path: path}, reply)
}
