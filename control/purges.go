package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"tiercache/control/client"
	"tiercache/control/nodes"
	"tiercache/control/postgres"
	"tiercache/shared/token"
)

const (
	// maxPurgeBody bounds the body of a purge, in bytes.
	maxPurgeBody = 16 << 20

	// defaultPurgeList is how many purges a list has unless told otherwise.
	defaultPurgeList = 50
)

// registerPurges registers the operations on purges.
func (c *Control) registerPurges(api huma.API) {
	create := c.perService(api, http.MethodPost, "/v1/purges", "createPurge", "Purge URLs, tags, prefixes, hosts, services or everything", token.Purge)
	create.MaxBodyBytes = maxPurgeBody
	create.Errors = append(create.Errors, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	create.Description += " Answers 200 when the purge is complete and 202 while it is pending."
	huma.Register(api, create, c.createPurge)
	huma.Register(api, c.perService(api, http.MethodGet, "/v1/purges", "listPurges", "List the purges, newest first", token.Read, token.Purge), c.listPurges)
	huma.Register(api, c.perService(api, http.MethodGet, "/v1/purges/{id}", "getPurge", "Tell what has become of a purge", token.Read, token.Purge), c.getPurge)
}

type createPurgeInput struct {
	Key  string `header:"Idempotency-Key" doc:"A request that is repeated with the same key purges once; at most 255 printable characters of ASCII"`
	Body client.PurgeRequest
}

type purgeReply struct {
	Status       int
	CacheControl string `header:"Cache-Control"`
	Body         client.Purge
}

// createPurge purges. Once it is committed nothing makes it fail: what goes wrong then makes it pending.
func (c *Control) createPurge(ctx context.Context, in *createPurgeInput) (*purgeReply, error) {
	if err := client.CheckKey(in.Key); err != nil {
		return nil, mistaken("no such idempotency key", client.Mistake{Location: "header.Idempotency-Key", Message: err.Error()})
	}
	wait, err := parseWait(in.Body.Wait)
	if err != nil {
		return nil, err
	}
	plan, err := planPurge(&in.Body)
	if err != nil {
		return nil, err
	}
	if err := plan.allowed(callerOf(ctx), c.ownerOf()); err != nil {
		return nil, err
	}
	if in.Body.DryRun {
		purge, err := c.dryRun(ctx, plan, wait)
		return replyPurge(purge), c.fault(ctx, err)
	}
	if !c.purges.reserve() {
		busy := huma.Error503ServiceUnavailable("too many purges are in progress: try again")
		return nil, huma.ErrorWithHeaders(busy, http.Header{"Retry-After": {retrySeconds}})
	}
	began := time.Now()
	record, existed, err := c.addPurge(ctx, in, plan)
	if err != nil {
		c.purges.release()
		return nil, c.fault(ctx, err)
	}
	if existed && record.Receipt != nil {
		c.purges.release()
		return replyPurge(describePurge(record)), nil
	}
	if existed {
		began = time.Time{}
	}
	patient(ctx, wait)
	return replyPurge(c.awaitPurge(ctx, record, began, wait)), nil
}

// addPurge commits a purge.
func (c *Control) addPurge(ctx context.Context, in *createPurgeInput, plan *plan) (postgres.PurgeRecord, bool, error) {
	request, err := plan.keep(in.Body)
	if err != nil {
		return postgres.PurgeRecord{}, false, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return postgres.PurgeRecord{}, false, err
	}
	return c.store.AddPurge(ctx, postgres.NewPurge{
		ID: id.String(), Key: in.Key, By: actor(ctx), Request: request, Entries: plan.entries(),
	})
}

// awaitPurge follows a committed purge and tells of it when it is complete or wait is over.
func (c *Control) awaitPurge(ctx context.Context, record postgres.PurgeRecord, began time.Time, wait time.Duration) client.Purge {
	g := c.purges.follow(record, began)
	purge := describePurge(record)
	bounded, cancel := context.WithTimeout(ctx, max(wait, nodes.Timeout))
	defer cancel()
	select {
	case <-g.ready:
	case <-bounded.Done():
		return purge
	}
	if g.watch == nil {
		return purge
	}
	receipts := g.watch.Receipts()
	if wait > 0 {
		waiting, cancel := context.WithDeadline(ctx, waitEnd(began, wait))
		defer cancel()
		receipts = g.watch.Wait(waiting)
	}
	purge.Epoch, purge.State, purge.Nodes = g.epoch, receipts.State, receipts.Nodes
	return purge
}

// waitEnd is when a wait that counts from began is over; a zero began is now.
func waitEnd(began time.Time, wait time.Duration) time.Time {
	if began.IsZero() {
		began = time.Now()
	}
	return began.Add(wait)
}

func replyPurge(p client.Purge) *purgeReply {
	status := http.StatusOK
	if p.State == client.StatePending {
		status = http.StatusAccepted
	}
	return &purgeReply{Status: status, CacheControl: "no-store", Body: p}
}

// describePurge is a purge as far as its record says.
func describePurge(record postgres.PurgeRecord) client.Purge {
	p := client.Purge{
		ID: record.ID, Epoch: record.Last, State: client.StatePending, Nodes: []client.Receipt{},
		At: record.Created, By: record.By.Name, From: record.By.From,
	}
	var kept keptRequest
	if json.Unmarshal(record.Request, &kept) == nil {
		p.Mode, p.Scopes, p.Request = kept.Mode, kept.Scopes, kept.Request
	}
	var receipts client.Receipts
	if record.Receipt != nil && json.Unmarshal(record.Receipt, &receipts) == nil {
		p.State, p.Nodes = receipts.State, receipts.Nodes
	}
	return p
}
