package client

import (
	"context"
	"net/http"
	"net/url"
)

// Entries asks a node, by way of control, for the next page of what it holds. A page whose answer is lost is lost for
// good: the walk has to begin anew. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) Entries(ctx context.Context, node string, r EntriesRequest) (EntryPage, error) {
	var page EntryPage
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/fleet/" + url.PathEscape(node) + "/entries", json: r}, &page)
	return page, err
}
