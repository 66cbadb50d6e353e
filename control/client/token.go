package client

import (
	"context"
	"net/http"
	"net/url"
)

// CreateToken makes a token. Its secret is in the reply and nowhere else.
// Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) CreateToken(ctx context.Context, t NewToken) (CreatedToken, error) {
	var created CreatedToken
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/tokens", json: t}, &created)
	return created, err
}

// Tokens lists the tokens, those that were revoked too. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) Tokens(ctx context.Context) (Tokens, error) {
	var t Tokens
	err := c.get(ctx, "/v1/tokens", &t)
	return t, err
}

// RevokeToken ends a token, by its ID. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) RevokeToken(ctx context.Context, id string) (RevokedToken, error) {
	var t RevokedToken
	err := c.do(ctx, call{method: http.MethodDelete, path: "/v1/tokens/" + url.PathEscape(id)}, &t)
	return t, err
}
