package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"tiercache/control/client"
)

// errPurgePending is what a purge ends with that some node has not applied in time; the lines say which.
var errPurgePending = errors.New("purged, but not every node has applied it yet")

const (
	// The receipts of a purge are asked for again after firstLook, then after twice as long each time,
	// up to lastLook.
	firstLook = 5 * time.Millisecond
	lastLook  = 250 * time.Millisecond
)

// follower waits for the receipts of a purge, and shows them.
type follower struct {
	client *client.Client
	view   purgeView
	key    string // that the purge was made with; empty: not known
}

// follow shows each node's receipt as it comes, and returns when the purge is complete or the time of ctx is over. The
// purge is committed: a control that is away makes it pending, and no failure. Who interrupts it ends the waiting alone.
func (f *follower) follow(ctx context.Context, purge client.Purge) (client.Purge, error) {
	var failed error // of the last look
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		if err := f.view.show(&purge); err != nil {
			return purge, err
		}
		if purge.State == client.StateComplete {
			return purge, f.view.end(&purge)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		next, err := f.client.Purge(ctx, purge.ID)
		switch {
		case late(ctx):
			return purge, errors.Join(f.view.end(&purge), f.unheard(&purge, failed))
		case interrupted(ctx) != nil:
			return purge, errors.Join(f.view.end(&purge), f.left(ctx, &purge))
		case err == nil:
			purge = next
		case !mayPass(err):
			return purge, errors.Join(f.view.end(&purge), f.unheard(&purge, err))
		}
		failed = err // nil when it was answered
	}
}

// left is what a command ends with that was interrupted while it waited.
func (f *follower) left(ctx context.Context, purge *client.Purge) error {
	id := printable(purge.ID)
	return fmt.Errorf("%w: it waits no longer, the purge goes on. It is committed: nodes have it or are about to, and it cannot be taken back\n"+
		"`tiercache purge wait %s` waits again, `tiercache purge get %s` shows it", interrupted(ctx), id, id)
}

// mayPass reports whether the same question may be answered a moment later.
func mayPass(err error) bool {
	var problem *client.Problem
	return errors.Is(err, client.ErrUnreachable) || errors.As(err, &problem) && problem.Status >= http.StatusInternalServerError
}

// unheard is what a purge ends with whose receipts could not be asked for because of failed; nil when that is nil.
func (f *follower) unheard(purge *client.Purge, failed error) error {
	if failed == nil {
		return nil
	}
	same := ""
	if f.key != "" {
		same = fmt.Sprintf("; the command with --idempotency-key %s is the same purge", f.key)
	}
	return &exitError{code: exitPending, err: fmt.Errorf(
		"purged, but what each node has made of it is not known: %w\n`tiercache purge get %s` tells%s", failed, printable(purge.ID), same)}
}
