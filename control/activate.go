package control

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/control/postgres"
	"tiercache/shared/policy"
)

type activateInput struct {
	ServiceName
	Version int `path:"version" minimum:"1"`
	Body    *struct {
		Wait string `json:"wait,omitempty" doc:"How long to wait for the receipts of all nodes, such as 2s; at most 60s"`
	}
}

type activateReply struct{ Body client.Activation }

// activateService makes a version, also an earlier one, the one that nodes follow. Activating the active one
// changes nothing, and tells which nodes follow it.
func (c *Control) activateService(ctx context.Context, in *activateInput) (*activateReply, error) {
	wait := time.Duration(0)
	if in.Body != nil {
		var err error
		if wait, err = parseWait(in.Body.Wait); err != nil {
			return nil, err
		}
	}
	patient(ctx, wait)
	until := time.Now().Add(wait)
	v, err := c.version(ctx, &in.ServiceName, strconv.Itoa(in.Version))
	if err != nil {
		return nil, err
	}
	reply := client.Activation{Name: v.Name, Version: v.Version, State: client.StatePending, Nodes: []client.Receipt{}}
	if v.Active {
		head, err := c.sequencer.Head(ctx) // its entry is not above this
		if err != nil {
			return nil, c.fault(ctx, err)
		}
		c.settle(ctx, head, until, &reply)
		return &activateReply{Body: reply}, nil
	}
	id, err := c.store.ActivateService(ctx, v.Name, v.Version, actor(ctx))
	var field *policy.FieldError
	switch {
	case errors.Is(err, postgres.ErrInvalid) && errors.As(err, &field):
		return nil, huma.Error409Conflict("the version does not go with the other services: " + field.Reason)
	case err != nil:
		return nil, c.fault(ctx, err)
	}
	reply.Changed = true
	if reply.Epoch, err = c.epochOf(ctx, id); err != nil {
		reply.Epoch = 0 // it is committed and gets one: what the fleet has made of it is not known yet
		return &activateReply{Body: reply}, nil
	}
	c.settle(ctx, reply.Epoch, until, &reply)
	return &activateReply{Body: reply}, nil
}

// settle waits, and fills in how far the fleet has got. What goes wrong makes the reply say pending, and no error:
// the activation is committed.
func (c *Control) settle(ctx context.Context, epoch uint64, until time.Time, reply *client.Activation) {
	receipts, err := c.members.Receipts(ctx, epoch, max(0, time.Until(until)))
	if err == nil {
		reply.State, reply.Nodes = receipts.State, receipts.Nodes
	}
}
