package control

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/shared/holdings"
	"tiercache/shared/token"
)

// entriesTime bounds the wait for a page of entries.
const entriesTime = 8 * time.Second

type entriesInput struct {
	Node string `path:"node" maxLength:"63" pattern:"^[0-9A-Za-z_-]+$" patternDescription:"the name of a node, as GET /v1/fleet shows it"`
	Body client.EntriesRequest
}

type entriesReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.EntryPage
}

// registerEntries registers what tells of the entries that nodes hold.
func (c *Control) registerEntries(api huma.API) {
	op := c.operation(api, http.MethodPost, "/v1/fleet/{node}/entries", "listEntries", "List what a node holds, page by page", token.Read)
	op.Description += " It is for audits: a walk comes past each entry that is there from its begin to its end, and changes nothing." +
		" Each entry is read and judged by the node after the request has come."
	op.Errors = append(op.Errors, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	huma.Register(api, op, c.listEntries)
}

func (c *Control) listEntries(ctx context.Context, in *entriesInput) (*entriesReply, error) {
	m, ok := c.memberOf(in.Node)
	if !ok {
		return nil, huma.Error404NotFound("no member has this name: see /v1/fleet")
	}
	ctx, cancel := context.WithTimeout(ctx, entriesTime)
	defer cancel()
	a, err := c.ask(ctx, &m, holdings.Question{Entries: &holdings.EntriesQuestion{Walk: in.Body.Walk, Limit: in.Body.Limit, Service: in.Body.Service}})
	switch {
	case errors.Is(err, errRefusedIt):
		return nil, huma.Error409Conflict(in.Node + ": " + err.Error())
	case err == nil && a.Page == nil:
		err = errNoAnswer
		fallthrough
	case err != nil:
		return nil, huma.Error503ServiceUnavailable(in.Node + ": " + err.Error())
	}
	p := a.Page
	page := client.EntryPage{Walk: p.Walk, Number: p.Number, Applied: p.Applied, Live: p.Live, Unreadable: p.Unreadable, Entries: make([]client.Entry, len(p.Entries))}
	for i := range p.Entries {
		page.Entries[i] = client.Entry(p.Entries[i])
	}
	return &entriesReply{CacheControl: "no-store", Body: page}, nil
}
