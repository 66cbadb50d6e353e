package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/control/postgres"
	"tiercache/shared/token"
)

// registerWatches registers the operations on watched tables. They change tables of applications, with the rights
// of control's own user in PostgreSQL, so they are for admins.
func (c *Control) registerWatches(api huma.API) {
	create := c.operation(api, http.MethodPost, "/v1/watches", "createWatch", "Make each change of a table a purge of the tags of its rows", token.Admin)
	create.DefaultStatus = http.StatusCreated
	create.Errors = append(create.Errors, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	huma.Register(api, create, c.createWatch)
	huma.Register(api, c.operation(api, http.MethodGet, "/v1/watches", "listWatches", "List the watched tables", token.Admin), c.listWatches)
	remove := c.operation(api, http.MethodDelete, "/v1/watches", "removeWatch", "End the watch of a table", token.Admin)
	remove.Errors = append(remove.Errors, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	huma.Register(api, remove, c.removeWatch)
}

type watchReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.Watch
}

func (c *Control) createWatch(ctx context.Context, in *struct{ Body client.NewWatch }) (*watchReply, error) {
	kept, err := c.store.AddWatch(ctx, postgres.Watch{Table: in.Body.Table, Service: in.Body.Service, Templates: in.Body.Templates}, actor(ctx))
	switch {
	case errors.Is(err, postgres.ErrNotFound), errors.Is(err, postgres.ErrInvalid):
		return nil, mistaken("no such watch", client.Mistake{Location: "body", Message: said(err)})
	case err != nil:
		return nil, c.fault(ctx, err)
	}
	return &watchReply{CacheControl: "no-store", Body: describeWatch(&kept)}, nil
}

// said is what PostgreSQL has said, without what the store makes of it.
func said(err error) string {
	text := err.Error()
	for _, kind := range [...]error{postgres.ErrNotFound, postgres.ErrInvalid} {
		text = strings.TrimPrefix(text, kind.Error()+": ")
	}
	return text
}

type watchesReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.Watches
}

func (c *Control) listWatches(ctx context.Context, _ *struct{}) (*watchesReply, error) {
	list, err := c.store.Watches(ctx)
	if err != nil {
		return nil, c.fault(ctx, err)
	}
	reply := &watchesReply{CacheControl: "no-store", Body: client.Watches{Watches: make([]client.Watch, 0, len(list))}}
	for i := range list {
		reply.Body.Watches = append(reply.Body.Watches, describeWatch(&list[i]))
	}
	return reply, nil
}

func describeWatch(w *postgres.Watch) client.Watch {
	return client.Watch{
		NewWatch: client.NewWatch{Table: w.Table, Templates: w.Templates, Service: w.Service},
		CatchAll: w.CatchAll, Problem: w.Problem,
	}
}

type removeWatchInput struct {
	Table string `query:"table" required:"true" minLength:"1" maxLength:"300" doc:"As in the list"`
}

func (c *Control) removeWatch(ctx context.Context, in *removeWatchInput) (*struct{}, error) {
	err := c.store.RemoveWatch(ctx, in.Table, actor(ctx))
	switch {
	case errors.Is(err, postgres.ErrNotFound):
		return nil, huma.Error404NotFound(fmt.Sprintf("there is no such watch: %s", said(err)))
	case errors.Is(err, postgres.ErrInvalid):
		return nil, huma.Error422UnprocessableEntity(said(err))
	case err != nil:
		return nil, c.fault(ctx, err)
	}
	return nil, nil
}
