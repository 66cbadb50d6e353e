package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxEvent bounds one line of a stream of events, in bytes.
const maxEvent = 4 << 20

// FromNow as Events' since begins with what happens next.
const FromNow = -1

// Events calls handle with each event behind the epoch since, or, when that is FromNow, with those that
// happen next, until ctx ends, the connection does, or handle returns an error, which it then returns.
// To go on after a connection ended, call it again with the last epoch that handle was given.
// Errors: ErrUnreachable, ErrUnauthorized, *Problem, ctx's, handle's.
func (c *Client) Events(ctx context.Context, since int64, handle func(Event) error) error {
	path := "/v1/events"
	if since >= 0 {
		path += "?since=" + strconv.FormatInt(since, 10)
	}
	resp, err := c.send(ctx, call{method: http.MethodGet, path: path, header: map[string]string{"Accept": "text/event-stream"}})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // ends the stream
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
		if err != nil {
			return fmt.Errorf("%w: the reply broke off: %w", ErrUnreachable, err)
		}
		return problem(resp, body)
	}
	err = readEvents(resp.Body, handle)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// readEvents reads server-sent events (HTML, 9.2.6), of which it needs the data alone.
func readEvents(r io.Reader, handle func(Event) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	var data strings.Builder
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		switch {
		case field == "data":
			data.WriteString(strings.TrimPrefix(value, " ") + "\n")
		case lines.Text() == "" && data.Len() > 0:
			var e Event
			if err := json.Unmarshal([]byte(data.String()), &e); err != nil {
				return fmt.Errorf("control sent an event that cannot be read: %w", err)
			}
			if err := handle(e); err != nil {
				return err
			}
			data.Reset()
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: the stream of events broke off: %w", ErrUnreachable, err)
	}
	return fmt.Errorf("%w: the stream of events ended", ErrUnreachable)
}
