package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// CreateToken makes a token. Its secret is in the reply and nowhere else.
// Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) CreateToken(ctx context.Context, t NewToken) (CreatedToken, error) {
	var created CreatedToken
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/tokens", json: t}, &created)
	return created, err
}

// Tokens lists the tokens, the valid ones first, then those that were revoked: behind a place, Next of the list before,
// or from the first on when it is empty; at most limit, 0 for as many as control likes. Errors: ErrUnreachable,
// ErrUnauthorized, *Problem.
func (c *Client) Tokens(ctx context.Context, after string, limit int) (Tokens, error) {
	query := url.Values{}
	if after != "" {
		query.Set("after", after)
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var t Tokens
	err := c.get(ctx, "/v1/tokens?"+query.Encode(), &t)
	return t, err
}

// RevokeToken ends a token, by its ID. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) RevokeToken(ctx context.Context, id string) (RevokedToken, error) {
	var t RevokedToken
	err := c.do(ctx, call{method: http.MethodDelete, path: "/v1/tokens/" + url.PathEscape(id)}, &t)
	return t, err
}
