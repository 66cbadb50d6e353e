package client

import (
	"context"
	"fmt"
)

// Activity lists who did what, newest first: at most limit, and only what is older than before unless that
// is 0. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) Activity(ctx context.Context, before int64, limit int) (Activities, error) {
	var a Activities
	err := c.get(ctx, fmt.Sprintf("/v1/activity?before=%d&limit=%d", before, limit), &a)
	return a, err
}
