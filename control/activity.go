package control

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/shared/token"
)

// registerActivity registers the list of who did what. It has addresses of people, so it is not for
// everybody who may read.
func (c *Control) registerActivity(api huma.API) {
	huma.Register(api, c.operation(api, http.MethodGet, "/v1/activity", "listActivity", "List who did what, newest first", token.Admin), c.listActivity)
}

type activityInput struct {
	Before int64 `query:"before" minimum:"0" doc:"Only what is older: the next of the page before"`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type activityReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.Activities
}

func (c *Control) listActivity(ctx context.Context, in *activityInput) (*activityReply, error) {
	list, err := c.store.Activities(ctx, in.Before, in.Limit)
	if err != nil {
		return nil, c.fault(ctx, err)
	}
	reply := &activityReply{CacheControl: "no-store", Body: client.Activities{Activities: make([]client.Activity, 0, len(list))}}
	for _, a := range list {
		reply.Body.Activities = append(reply.Body.Activities, client.Activity(a))
	}
	if len(list) == in.Limit {
		reply.Body.Next = list[len(list)-1].ID
	}
	return reply, nil
}
