package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tiercache/control/client"
	"tiercache/shared/token"
)

const (
	// eventStream is the media type of server-sent events (HTML, 9.2).
	eventStream = "text/event-stream"

	// pingInterval is how often a silent stream gets a comment, so that what stands between does not end it.
	pingInterval = 15 * time.Second

	// eventTimeout bounds how long a client may take to receive one event.
	eventTimeout = 10 * time.Second
)

// registerEvents registers the stream of events.
func (c *Control) registerEvents(api huma.API) {
	op := c.operation(api, http.MethodGet, "/v1/events", "followEvents",
		"Follow the control log and the members, as server-sent events with the type of the event and one JSON object each", token.Read)
	op.Responses = map[string]*huma.Response{"200": {
		Description: "Events, until the client leaves",
		Content:     map[string]*huma.MediaType{eventStream: {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[client.Event](), true, "Event")}},
	}}
	huma.Register(api, op, c.followEvents)
}

type eventsInput struct {
	LastEventID string `header:"Last-Event-ID" doc:"Go on behind this epoch, as a browser does by itself"`
	Since       string `query:"since" doc:"Begin behind this epoch; 0: with the oldest entry that is kept. Without it, and without Last-Event-ID, the stream begins with what happens next"`
}

func (c *Control) followEvents(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	since := in.Since
	if in.LastEventID != "" {
		since = in.LastEventID
	}
	after, err := strconv.ParseUint(since, 10, 64)
	if since != "" && err != nil {
		return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("%q is not an epoch", since))
	}
	cursor, epoch, ok := c.events.join()
	if !ok {
		return nil, huma.ErrorWithHeaders(huma.Error503ServiceUnavailable("too many clients follow, or this node is stopping"), http.Header{"Retry-After": {retrySeconds}})
	}
	if since == "" {
		after = epoch
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer c.events.leave()
		_, w := humago.Unwrap(hc)
		s := stream{events: c.events, w: w, conn: http.NewResponseController(w), sent: after, cursor: cursor}
		s.run(hc.Context(), epoch) // ends with the client
	}}, nil
}

// stream is one client that follows.
type stream struct {
	events *events
	w      http.ResponseWriter
	conn   *http.ResponseController
	sent   uint64 // the last epoch
	cursor uint64 // in the ring
}

// run sends what is behind sent: first from the log through epoch, where the ring goes on. It returns when the
// client or the node ends.
func (s *stream) run(ctx context.Context, epoch uint64) {
	s.w.Header().Set("Content-Type", eventStream)
	s.w.Header().Set("Cache-Control", "no-store")
	_ = s.conn.SetReadDeadline(time.Time{}) // that of a request's body, which has none
	if s.write("retry: 1000\n\n") != nil || s.catchUp(ctx, epoch) != nil {
		return
	}
	if s.event(&client.Event{Type: client.EventHead, Epoch: s.sent, Time: time.Now()}, "") != nil {
		return
	}
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	for {
		list, next, changed, lost, closed := s.events.news(s.cursor)
		if s.cursor = next; closed {
			return
		}
		if lost {
			if s.catchUp(ctx, s.events.applied()) != nil {
				return
			}
			continue
		}
		if s.send(list) != nil {
			return
		}
		select {
		case <-changed:
		case <-ping.C:
			if s.write(": ping\n\n") != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// catchUp sends the log's entries through epoch.
func (s *stream) catchUp(ctx context.Context, epoch uint64) error {
	for s.sent < epoch {
		before := s.sent
		list, through, err := s.events.entries(ctx, before)
		if err == nil {
			err = s.send(list)
		}
		if err != nil {
			return err // the client comes again with the last epoch that it got
		}
		if s.sent = max(s.sent, through); s.sent == before {
			return nil
		}
	}
	return nil
}

// send writes the events that were not sent before.
func (s *stream) send(list []client.Event) error {
	for i := range list {
		e := &list[i]
		if e.Epoch != 0 && e.Epoch <= s.sent {
			continue
		}
		id := ""
		if e.Epoch != 0 {
			id = fmt.Sprintf("id: %d\n", e.Epoch)
		}
		if err := s.event(e, id); err != nil {
			return err
		}
		s.sent = max(s.sent, e.Epoch)
	}
	return nil
}

// event writes one event behind the line with its id, which is what a client sends as Last-Event-ID.
func (s *stream) event(e *client.Event, id string) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("%sevent: %s\ndata: %s\n\n", id, e.Type, data))
}

func (s *stream) write(text string) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.conn.Flush()
}
