package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"tiercache/control/client"
	"tiercache/control/nodes"
	"tiercache/control/postgres"
	"tiercache/shared/bus"
	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
)

// nodeActor is who a node is in the activity log. No token can have such a name.
func nodeActor(node string) string { return "node:" + node }

// serveInvalidation purges what unsafe methods have made invalid. A node may name URLs and cache groups of one
// service's hosts and nothing else: it speaks for clients that may send such methods, not for operators.
func (c *Control) serveInvalidation(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, controllog.MaxInvalidationSize))
	if err != nil {
		nodes.Problem(w, http.StatusBadRequest, "the invalidation cannot be read")
		return
	}
	var what controllog.Invalidation
	if err := json.Unmarshal(body, &what); err != nil {
		nodes.Problem(w, http.StatusBadRequest, "the invalidation is not what nodes send: "+err.Error())
		return
	}
	request, plan, err := planInvalidation(&what, c.ownerOf())
	if err != nil {
		fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), nodes.Timeout)
	defer cancel()
	reply, err := c.invalidate(ctx, &what, request, plan, address(r.RemoteAddr), began)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply) // fails when the node is gone
}

// planInvalidation checks what a node asks for. ownerOf names the service of a host. The error is one for the node.
func planInvalidation(what *controllog.Invalidation, ownerOf func(host string) string) (*client.PurgeRequest, *plan, error) {
	if err := bus.ValidName(what.Node); err != nil {
		return nil, nil, huma.Error400BadRequest("the node has no name: " + err.Error())
	}
	if n := len(what.URLs) + len(what.Groups); n > controllog.MaxInvalidation {
		return nil, nil, huma.NewError(http.StatusRequestEntityTooLarge, fmt.Sprintf("%d things are named, the limit is %d", n, controllog.MaxInvalidation))
	}
	request := &client.PurgeRequest{Tags: what.Groups}
	if len(what.Groups) > 0 {
		request.Service = what.Service
	}
	for i := range what.URLs {
		u := &what.URLs[i]
		request.URLs = append(request.URLs, "http://"+u.Host+u.Path+u.Query)
	}
	plan, err := planPurge(request)
	if err != nil {
		return nil, nil, err
	}
	if asked := plan.beyond(func(service string) bool { return service != "" && service == what.Service }, ownerOf); asked != "" {
		return nil, nil, huma.Error403Forbidden(fmt.Sprintf("service %.80q has not %s", what.Service, asked))
	}
	for _, tag := range plan.purge.Tags {
		if host, ok := invalidation.GroupHost(tag); !ok || ownerOf(host) != what.Service {
			return nil, nil, huma.Error403Forbidden(fmt.Sprintf("tag %.200q is not of a cache group of service %.80q", tag, what.Service))
		}
	}
	return request, plan, nil
}

// invalidate commits the purge and waits for its epoch. Its receipts are followed as those of any other purge.
func (c *Control) invalidate(ctx context.Context, what *controllog.Invalidation, request *client.PurgeRequest, plan *plan, from string, began time.Time) (controllog.InvalidationReply, error) {
	kept, err := plan.keep(*request)
	if err != nil {
		return controllog.InvalidationReply{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return controllog.InvalidationReply{}, err
	}
	// What clients of the sites cause leaves half of the room to operators.
	if len(c.purges.slots) >= maxPurges/2 || !c.purges.reserve() {
		return controllog.InvalidationReply{}, huma.Error503ServiceUnavailable("too many purges are in progress: try again")
	}
	record, _, err := c.store.AddPurge(ctx, postgres.NewPurge{
		ID: id.String(), By: postgres.Actor{Token: nodeActor(what.Node), Name: nodeActor(what.Node), From: from}, Request: kept, Entries: plan.entries(),
	})
	if err != nil {
		c.purges.release()
		return controllog.InvalidationReply{}, c.fault(ctx, err)
	}
	purge := c.awaitPurge(ctx, record, began, 0)
	return controllog.InvalidationReply{ID: purge.ID, Epoch: purge.Epoch}, nil
}

// fail answers a node with an error.
func fail(w http.ResponseWriter, err error) {
	var known huma.StatusError
	if !errors.As(err, &known) {
		nodes.Problem(w, http.StatusInternalServerError, "something went wrong: see control's log")
		return
	}
	nodes.Problem(w, known.GetStatus(), known.Error())
}
