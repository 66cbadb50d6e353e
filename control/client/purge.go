package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxKey bounds an idempotency key, in bytes.
const maxKey = 255

// CheckKey says what is wrong with an idempotency key. It is sent as a header field's value, where nothing but printable
// ASCII comes through as it is.
func CheckKey(key string) error {
	for i := range len(key) {
		if key[i] < ' ' || key[i] >= 0x7f {
			return errors.New("an idempotency key has printable characters of ASCII only")
		}
	}
	if len(key) > maxKey {
		return fmt.Errorf("an idempotency key has at most %d characters", maxKey)
	}
	return nil
}

// CreatePurge purges. key, when it is not empty, makes a repeated call one purge. The call takes as long as
// r.Wait says. Errors: ErrUnreachable, ErrUnauthorized, *Problem; after ErrUnreachable the purge may have
// been done.
func (c *Client) CreatePurge(ctx context.Context, r PurgeRequest, key string) (Purge, error) {
	wait, _ := time.ParseDuration(r.Wait) // control says what is wrong with it
	ask := call{method: http.MethodPost, path: "/v1/purges", json: r, patience: wait + timeout}
	if key != "" {
		ask.header = map[string]string{"Idempotency-Key": key}
	}
	var p Purge
	err := c.do(ctx, ask, &p)
	return p, err
}

// Purge tells what has become of a purge. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) Purge(ctx context.Context, id string) (Purge, error) {
	var p Purge
	err := c.get(ctx, "/v1/purges/"+url.PathEscape(id), &p)
	return p, err
}

// Purges lists purges, newest first: those before the one with that id, or from the newest on when it is
// empty; at most limit, 0 for as many as control likes. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) Purges(ctx context.Context, before string, limit int) (Purges, error) {
	query := url.Values{}
	if before != "" {
		query.Set("before", before)
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var list Purges
	err := c.get(ctx, "/v1/purges?"+query.Encode(), &list)
	return list, err
}
