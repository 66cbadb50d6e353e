package control

import (
	"context"
	"fmt"

	"tiercache/control/client"
	"tiercache/control/postgres"
)

type getPurgeInput struct {
	ID string `path:"id" maxLength:"64" pattern:"^[0-9A-Za-z._-]+$" patternDescription:"an ID, as GET /v1/purges shows it"`
}

type getPurgeReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.Purge
}

func (c *Control) getPurge(ctx context.Context, in *getPurgeInput) (*getPurgeReply, error) {
	record, err := c.store.Purge(ctx, in.ID)
	if err == nil && !mayRead(callerOf(ctx), record) {
		err = postgres.ErrNotFound
	}
	if err != nil {
		return nil, c.absent(ctx, err, fmt.Sprintf("purge with the ID %q", in.ID))
	}
	purge, err := c.purgeNow(ctx, record)
	if err != nil {
		return nil, c.fault(ctx, err)
	}
	return &getPurgeReply{CacheControl: "no-store", Body: purge}, nil
}

type listPurgesInput struct {
	Before string `query:"before" maxLength:"64" pattern:"^[0-9A-Za-z._-]+$" patternDescription:"an ID, as this list shows it" doc:"Lists those before this one: next of the list before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" doc:"At most so many; 50 if absent"`
}

type listPurgesReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.Purges
}

func (c *Control) listPurges(ctx context.Context, in *listPurgesInput) (*listPurgesReply, error) {
	limit := in.Limit
	if limit == 0 {
		limit = defaultPurgeList
	}
	records, err := c.store.Purges(ctx, in.Before, limit)
	if err != nil {
		return nil, c.fault(ctx, err)
	}
	reply := &listPurgesReply{CacheControl: "no-store"}
	reply.Body.Purges = make([]client.Purge, 0, len(records))
	who := callerOf(ctx)
	for _, record := range records {
		if !mayRead(who, record) {
			continue
		}
		purge, err := c.purgeNow(ctx, record)
		if err != nil {
			return nil, c.fault(ctx, err)
		}
		reply.Body.Purges = append(reply.Body.Purges, purge)
	}
	if len(records) == limit {
		reply.Body.Next = records[limit-1].ID
	}
	return reply, nil
}

// mayRead reports whether somebody may see a purge: of those whose token is limited to some services each
// sees their own.
func mayRead(who caller, record postgres.PurgeRecord) bool {
	return who.Reaches("") || who.ID != "" && record.By.Token == who.ID
}

// purgeNow is a purge as it stands. The receipts of one that is not finished, since control was restarted
// meanwhile or is at it, are made from what is known now: a node that joined later has applied it too.
func (c *Control) purgeNow(ctx context.Context, record postgres.PurgeRecord) (client.Purge, error) {
	purge := describePurge(record)
	if record.Receipt != nil {
		return purge, nil
	}
	epoch, err := c.lastEpoch(ctx, record)
	if err != nil {
		return purge, err
	}
	receipts, err := c.members.Receipts(ctx, epoch, 0)
	if err != nil {
		return purge, err
	}
	purge.Epoch, purge.State, purge.Nodes = epoch, receipts.State, receipts.Nodes
	if receipts.State == client.StateComplete {
		c.purges.finish(ctx, record.ID, receipts)
	}
	return purge, nil
}
