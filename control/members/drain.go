package members

import (
	"context"
	"errors"

	"tiercache/control/postgres"
)

// Drain tells a member to say that it is not ready, or takes that back. The node hears it with its next
// renewal; it goes on serving, and stays a member. Its next process is in rotation. Errors: ErrUnknown, those of the
// store.
func (t *Tracker) Drain(ctx context.Context, node string, drain bool) error {
	state := postgres.MemberServing
	if drain {
		state = postgres.MemberLeaving
	}
	err := t.store.SetMemberState(ctx, node, state)
	if errors.Is(err, postgres.ErrNotFound) {
		return ErrUnknown
	}
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.mu.members[node]; m != nil {
		m.row.State, m.order = state, t.next()
	}
	return nil
}
