package members

import (
	"context"
	"errors"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// reportCost is what the reports of all members may take of a control node: one each so often. With it a purge
// in a small fleet has its receipts at once, and a large fleet does not flood control.
const reportCost = 250 * time.Microsecond

// Drain tells a member to say that it is not ready, or takes that back. The node hears it with its next
// renewal; it goes on serving, and stays a member. One that joins again is in rotation. Errors: ErrUnknown, those of
// the store.
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
		m.row.State = state
	}
	return nil
}

// Terms are what a member is told with its lease, which it gets now.
func (t *Tracker) Terms(node string) (drain bool, reportEvery time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.mu.members[node]
	if m != nil {
		m.granted = t.now()
	}
	every := time.Duration(len(t.mu.members)) * reportCost
	return m != nil && m.row.State == postgres.MemberLeaving, min(max(every, controllog.MinReportInterval), controllog.ReportInterval)
}
