package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tiercache/control/members"
	"tiercache/shared/bus"
	"tiercache/shared/holdings"
)

// Errors of questions to nodes, as whoever asked is told them.
var (
	errNotAsked  = errors.New("nodes are asked over NATS, and control is not connected to it")
	errNoAnswer  = errors.New("the node does not answer")
	errRefusedIt = errors.New("the node refuses")
)

// ask asks a member what it holds. Errors: errNotAsked, errNoAnswer, errRefusedIt.
func (c *Control) ask(ctx context.Context, m *members.State, q holdings.Question) (holdings.Answer, error) {
	var a holdings.Answer
	if c.bus == nil {
		return a, errNotAsked
	}
	payload, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	answer, err := c.bus.Ask(ctx, m.Tier, m.Node, payload)
	switch {
	case errors.Is(err, bus.ErrDisconnected):
		return a, errNotAsked
	case errors.Is(err, bus.ErrNobody):
		return a, fmt.Errorf("%w: it is not connected to NATS", errNoAnswer)
	case err != nil:
		return a, fmt.Errorf("%w in time", errNoAnswer)
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return a, fmt.Errorf("%w as it should: %w", errNoAnswer, err)
	}
	if a.Problem != "" {
		return a, fmt.Errorf("%w: %s", errRefusedIt, a.Problem)
	}
	return a, nil
}

// memberOf is the member with that name.
func (c *Control) memberOf(node string) (members.State, bool) {
	for _, m := range c.members.Members() {
		if m.Node == node {
			return m, true
		}
	}
	return members.State{}, false
}
