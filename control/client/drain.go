package client

import (
	"context"
	"net/http"
	"net/url"
)

// Drain tells a node to say that it is not ready, so that clients are sent elsewhere; drain false takes it back.
// The node hears it within a second. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) Drain(ctx context.Context, node string, drain bool) error {
	method := http.MethodPost
	if !drain {
		method = http.MethodDelete
	}
	return c.do(ctx, call{method: method, path: "/v1/fleet/" + url.PathEscape(node) + "/drain"}, nil)
}
