package client

import (
	"context"
	"net/http"
	"net/url"
)

// AddWatch makes each change of a table of the control database a purge, in place of the watch that the table may have.
// Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) AddWatch(ctx context.Context, w NewWatch) (Watch, error) {
	var kept Watch
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/watches", json: w}, &kept)
	return kept, err
}

// Watches lists the watched tables. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) Watches(ctx context.Context) (Watches, error) {
	var w Watches
	err := c.get(ctx, "/v1/watches", &w)
	return w, err
}

// RemoveWatch ends the watch of a table. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) RemoveWatch(ctx context.Context, table string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/v1/watches?" + url.Values{"table": {table}}.Encode()}, nil)
}
