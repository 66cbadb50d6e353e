package follower

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tiercache/shared/controllog"
)

// message takes one message of the log.
func (l *loop) message(b []byte) {
	entries, err := controllog.DecodeEntries(b)
	if err != nil {
		l.f.stats.Refused.Add(1)
		l.f.log.Warn("message of the control log dropped", "error", err)
	}
	for i := range entries {
		l.hear(&entries[i])
	}
}

// hear applies an entry, and those that waited for it, or lets it wait for the one before.
func (l *loop) hear(e *controllog.Entry) {
	l.heardOf(e.Epoch)
	switch err := l.apply(*e); {
	case err == nil:
		l.applyEarly()
	case errors.Is(err, controllog.ErrGap):
		l.f.stats.Gaps.Add(1)
		if !e.Hint && len(l.early) < maxEarly {
			l.early[e.Prev] = *e
		}
		l.missing(e.Hint)
	case errors.Is(err, controllog.ErrBranch):
		// Somebody still publishes another branch, or this node is on one: control says which.
		l.f.stats.Refused.Add(1)
		l.missing(true)
	}
}

// heardOf takes that there is such an epoch.
func (l *loop) heardOf(epoch uint64) {
	l.target, l.sinceRenew, l.sinceFetch = max(l.target, epoch), max(l.sinceRenew, epoch), max(l.sinceFetch, epoch)
}

// aim takes where the log ended at some moment after an exchange had begun; since is the highest epoch that was heard
// of since then otherwise.
//
// INVARIANT: an epoch that is above the head and was heard of before the exchange began is none of the log's: it was
// on a branch that was lost, or never was. The node does not look for it any more. What was heard of later may be
// newer than the head: it is looked for until it is applied.
func (l *loop) aim(head, since uint64) {
	l.target = max(head, since, l.f.Applied())
	l.heardOf(head)
}

// missing makes what is missing be fetched: soon, or at once when it will not come by itself, but not before a
// pause after a failure is over.
func (l *loop) missing(now bool) {
	at := time.Now()
	if !now {
		at = at.Add(gapTime)
	}
	if at.Before(l.pauseUntil) {
		at = l.pauseUntil
	}
	if l.fetchAt.IsZero() || at.Before(l.fetchAt) {
		l.fetchAt = at
	}
}

// applyEarly applies what waited for the entry that was applied last, and forgets what is behind.
func (l *loop) applyEarly() {
	for len(l.early) > 0 {
		e, ok := l.early[l.f.Applied()]
		if !ok || l.apply(e) != nil {
			break
		}
	}
	for prev, e := range l.early {
		if e.Epoch <= l.f.Applied() {
			delete(l.early, prev)
		}
	}
}

// apply puts entries into the view.
func (l *loop) apply(entries ...controllog.Entry) error {
	f := l.f
	n, err := f.replica.Apply(entries...)
	if n > 0 {
		f.stats.Entries.Add(uint64(n))
		f.history.Note(f.now(), f.Applied())
		f.horizon.note(time.Now(), f.Applied())
		for i := range entries {
			if entries[i].Epoch == f.Applied() {
				f.delay.Store(int64(f.now().Sub(entries[i].Time)))
			}
		}
	}
	if errors.Is(err, controllog.ErrReset) {
		l.lost(err)
	}
	return err
}

// lost says that what was applied is not in the log: the node knows less than it thinks.
//
// INVARIANT: the lease ends at once, and an answer to what was asked before brings none. It was granted on a branch of
// the log that is no more.
func (l *loop) lost(err error) {
	l.f.lease.Revoke()
	l.lostAt, l.lostEpoch = l.seq, max(l.lostEpoch, l.f.Applied())
	l.replace(err)
}

// branched is lost for a node whose branch has the same numbers as the log: what was stamped under them is dead.
func (l *loop) branched(err error) {
	if !l.disown {
		l.f.stats.Branches.Add(1)
		l.f.log.Error("what this node has applied is another branch of the control log: all that it has stored counts as purged", "applied", l.f.Applied(), "reason", err)
	}
	l.disown = true
	l.lost(err)
}

// replace makes the view be replaced by an image.
func (l *loop) replace(why error) {
	if !l.whole {
		l.f.log.Warn("the view of the control log is replaced", "applied", l.f.Applied(), "reason", why)
	}
	l.whole = true
	l.missing(true)
}

// wantsFetch reports whether there is something to fetch, or, for a node that does not renew, to look for.
func (l *loop) wantsFetch() bool { return !l.fetchAt.IsZero() || !l.f.cfg.Member }

// fetch starts a fetch.
func (l *loop) fetch(ctx context.Context, now time.Time) {
	l.seq++
	after, chain := l.f.replica.At()
	// What a node that knows nothing lacks is shorter as an image; control may not have the rest any more.
	whole := l.whole || after == 0 && l.empty && l.target > 0 && l.f.http != nil
	r := &fetch{seq: l.seq, after: after, chain: chain, whole: whole, nats: l.natsUsable(now)}
	l.fetching, l.fetchAt, l.sinceFetch = true, time.Time{}, 0
	l.f.stats.Fetches.Add(1)
	l.exchanges.Go(func() {
		l.f.retrieve(ctx, r)
		l.fetched <- r
	})
}

// arrived takes the outcome of a fetch.
func (l *loop) arrived(r *fetch) {
	l.fetching = false
	before, now := l.f.Applied(), time.Now()
	if r.nats && !r.whole && r.via == overHTTP && r.err == nil {
		l.restUntil = now.Add(natsRest)
	}
	err := l.take(r)
	lacking := l.f.Applied() < l.target || l.whole
	switch {
	case err != nil:
		l.failed(err)
		l.pauseUntil = now.Add(retryTime)
		l.fetchAt = l.pauseUntil
	case lacking && l.f.Applied() == before && !l.whole:
		l.fetchAt = now.Add(controllog.ReportInterval) // who answered has no more yet
	case lacking:
		l.fetchAt = now
	case !l.f.cfg.Member:
		l.fetchAt = now.Add(l.pollInterval())
	default:
		l.fetchAt = time.Time{}
	}
}

// pollInterval is how long a node that does not renew waits before it asks for more.
func (l *loop) pollInterval() time.Duration {
	if len(l.waiters) > 0 {
		return controllog.ReportInterval
	}
	return controllog.RenewInterval
}

// take applies what a fetch brought.
func (l *loop) take(r *fetch) error {
	if r.whole {
		return l.restore(r)
	}
	err := l.apply(r.entries...)
	l.applyEarly()
	if r.err != nil {
		return r.err
	}
	if r.branched && err == nil {
		err = fmt.Errorf("%w: control has other entries through %d", controllog.ErrBranch, r.after)
	}
	if errors.Is(err, controllog.ErrBranch) {
		l.branched(err)
		return nil
	}
	// A part of the log that does not begin behind what the node has is not its log.
	if r.compacted || errors.Is(err, controllog.ErrGap) && len(r.entries) > 0 && r.entries[0].Prev > l.f.Applied() {
		l.replace(errors.New("control does not keep what is missing any more"))
		return nil
	}
	if err != nil && !errors.Is(err, controllog.ErrReset) {
		return err
	}
	if len(r.entries) == 0 { // there are no more: this is where the log ended
		l.aim(r.head, l.sinceFetch)
	} else {
		l.heardOf(r.head)
	}
	if !l.f.cfg.Member {
		l.confirm(r.seq, r.head, r.via)
	}
	return nil
}

// restore takes an image.
func (l *loop) restore(r *fetch) error {
	l.empty = r.err == nil
	if r.err != nil {
		return r.err
	}
	f := l.f
	if f.Applied() > 0 {
		f.stats.Resets.Add(1)
	}
	if l.disown {
		r.image.Disown(f.Applied())
	}
	if err := f.replica.Restore(r.image); err != nil {
		return err
	}
	if l.disown {
		l.lostAt = l.seq // what control says of the view before is of no interest any more
	}
	l.whole, l.disown = false, false
	l.target = max(l.target, f.Applied())
	f.history.Note(f.now(), f.Applied())
	f.horizon.reset(time.Now(), f.Applied())
	l.applyEarly()
	return nil
}
