package follower

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tiercache/shared/controllog"
)

// natsUsable reports whether NATS is asked. After a failure it rests, if there is another way.
func (l *loop) natsUsable(now time.Time) bool {
	b := l.f.bus
	return b != nil && b.Connected() && (l.f.http == nil || !now.Before(l.restUntil))
}

// wantsReport reports whether control is to be told what was applied before the next renewal tells it. Only NATS carries
// that.
func (l *loop) wantsReport(now time.Time) bool {
	return l.joined && !l.failing && l.reported != l.f.Applied() && l.f.cfg.Member && l.natsUsable(now)
}

// reportAt is when the next report may be sent.
func (l *loop) reportAt() time.Time {
	at, settled := l.lastReport.Add(l.reportEvery), l.changed.Add(reportDelay)
	if settled.After(at) {
		return settled
	}
	return at
}

// report tells control what was applied. It costs control next to nothing, as a renewal does not: that one wants to know
// the head.
func (l *loop) report(now time.Time) {
	f := l.f
	applied, chain := f.replica.At()
	l.lastReport = now
	said := controllog.Renew{
		Node: f.cfg.Node, Tier: f.cfg.Tier, Region: f.cfg.Region, Addr: f.cfg.Addr,
		Applied: applied, Chain: chain, Instance: f.instance, Report: true,
	}
	payload, err := said.AppendJSON(nil)
	if err == nil && f.bus.Report(f.cfg.Tier, f.cfg.Node, payload) == nil {
		l.reported = applied
		f.stats.Reports.Add(1)
	}
}

// renewAt is when the next renewal is due: after RenewInterval, or sooner when there is something to ask and NATS
// carries it. So HTTP is asked once in RenewInterval at most: when NATS has failed it rests for longer than that.
func (l *loop) renewAt(now time.Time) time.Time {
	urgent := l.asked() || !l.joined
	if urgent && !l.failing && l.natsUsable(now) {
		return l.lastSent.Add(l.reportEvery)
	}
	return l.lastSent.Add(l.f.cfg.RenewInterval)
}

// renew starts a renewal.
//
// INVARIANT: sent is read before anything is sent, and applied is what the view has at most: what is reported was
// applied.
func (l *loop) renew(ctx context.Context, now time.Time) {
	l.seq++
	applied, chain := l.f.replica.At()
	r := &renewal{
		seq: l.seq, join: !l.joined, applied: applied, chain: chain, sent: l.f.now(), lost: l.lostEpoch,
		nats: l.natsUsable(now), http: l.f.http != nil,
	}
	l.renewing, l.lastSent, l.sinceRenew = true, now, 0
	l.exchanges.Go(func() {
		l.f.exchange(ctx, r, false)
		l.renewed <- r
	})
}

// answer takes the outcome of a renewal.
func (l *loop) answer(r *renewal) {
	f := l.f
	l.renewing, l.failing = false, true
	if r.natsFailed {
		l.restUntil = time.Now().Add(natsRest)
	}
	taken := ""
	if r.err == nil && r.reply.Taken {
		taken = r.reply.Refused
	}
	switch {
	case r.err != nil:
		l.failed(r.err)
	case taken != "":
		// INVARIANT: purges wait for the process that has the name, and for no other.
		f.lease.Revoke()
		l.joined = false
		l.failed(fmt.Errorf("%w: %s", errRefused, taken))
	case r.reply.Branched && r.seq > l.lostAt:
		l.branched(fmt.Errorf("%w: %s", controllog.ErrBranch, r.reply.Refused))
		l.failed(fmt.Errorf("%w: %s", errRefused, r.reply.Refused))
	case r.reply.Refused == controllog.RefusedUnknown:
		// INVARIANT: purges do not wait for who is not a member, so it must not call itself current.
		f.lease.Revoke()
		l.joined, l.failing = false, r.join
		l.failed(fmt.Errorf("%w: %s", errRefused, r.reply.Refused))
	case r.reply.Refused != "":
		l.failed(fmt.Errorf("%w: %s", errRefused, r.reply.Refused))
	case r.reply.Head < r.applied:
		// INVARIANT: a head below what was applied before it was read is of a log that has lost entries.
		f.lease.Revoke()
		l.failed(fmt.Errorf("control's log ends at %d, this node has applied %d", r.reply.Head, r.applied))
	case r.seq <= l.lostAt:
		l.failing = false // another answer may be had at once
		l.failed(errBranch)
	default:
		l.granted(r)
		return
	}
	l.rotate(l.draining, taken)
	f.stats.RenewalsFailed.Add(1)
}

// granted takes an answer that is good for a lease.
func (l *loop) granted(r *renewal) {
	f := l.f
	if r.via == overNATS {
		f.stats.RenewalsNATS.Add(1)
	} else {
		f.stats.RenewalsHTTP.Add(1)
	}
	if r.join {
		l.joinHead = r.reply.Head
		if f.disk != nil {
			if err := f.disk.Keep(f.instance); err != nil {
				f.log.Warn("the next process will not know this one", "error", err)
			}
		}
	}
	l.joined, l.failing, l.reported = true, false, max(l.reported, r.applied)
	l.reportEvery = r.reply.ReportEvery()
	l.rotate(r.reply.Drain, "")
	if r.lost == l.lostEpoch {
		l.lostEpoch = 0
	}
	f.lease.Grant(r.sent, r.reply.Head)
	l.aim(r.reply.Head, l.sinceRenew)
	l.confirm(r.seq, r.reply.Head, r.via)
}

// errBranch: the answer may be about entries that the log has lost.
var errBranch = errors.New("the log was set back while control was asked")

// rotate makes the node say that it is not ready, while control has drained it or another process has its name.
func (l *loop) rotate(draining bool, taken string) {
	if draining == l.draining && taken == l.taken {
		return
	}
	l.draining, l.taken = draining, taken
	f := l.f
	switch {
	case taken != "":
		f.rotation.Fail(taken)
		f.log.Warn("control refuses this node: it is not ready", "reason", taken)
	case draining:
		f.rotation.Fail("control has drained this node: it serves on, but sends new clients elsewhere")
		f.log.Warn("control has drained this node: it is not ready any more")
	default:
		f.rotation.OK("")
		f.log.Info("control wants this node in rotation again")
	}
}

// confirm takes where the head is, as of a moment after that exchange had begun.
func (l *loop) confirm(seq, head uint64, via transport) {
	if !l.answered {
		l.joinHead = max(l.joinHead, head)
	}
	l.answered, l.confirmed, l.head, l.via = true, seq, head, via
	l.heard, l.reason = l.f.now(), ""
	if l.f.Applied() < head {
		l.missing(false)
	}
}

// failed keeps why an exchange brought nothing; look says it.
func (l *loop) failed(err error) { l.reason = err.Error() }

// standing is what there is to say about the node and control.
type standing struct {
	live   bool
	via    transport
	reason string
}

// look says when the node's standing has changed.
func (l *loop) look(now time.Time) {
	f := l.f
	live := f.lease.Live(now)
	if !f.cfg.Member {
		live = l.answered && f.caughtUp.Load() && now.Sub(l.heard) < controllog.LeaseTime
	}
	is := standing{live: live, via: l.via, reason: l.reason}
	if live {
		is.reason = ""
	}
	was := l.said
	if is == was {
		return
	}
	l.said = is
	switch {
	case live:
		f.health.OK("connected over " + is.via.String())
	case was.live:
		f.stats.LeasesLost.Add(1)
		l.since = now
		fallthrough
	default:
		f.health.Fail(l.disconnected())
	}
	switch {
	case live && !was.live:
		f.log.Info("connected to control", "over", is.via.String(), "applied", f.Applied())
	case was.live && !live:
		f.log.Warn("disconnected from control", "applied", f.Applied(), "reason", is.reason)
	}
}

// disconnected is the state in words.
func (l *loop) disconnected() string {
	text := "not connected yet"
	if !l.since.IsZero() {
		text = "disconnected since " + l.since.UTC().Format(time.TimeOnly) + " UTC"
	}
	if l.said.reason != "" {
		text += ": " + l.said.reason
	}
	return text
}

// finish ends the follower in good order: it leaves the fleet, so that no purge waits for it, and writes down
// what it knows.
//
// INVARIANT: the lease ends before the node leaves.
func (l *loop) finish(ctx context.Context) {
	f := l.f
	if f.cfg.Member && f.cfg.Leave && l.joined {
		f.lease.Revoke()
		r := &renewal{applied: f.Applied(), nats: l.natsUsable(time.Now()), http: f.http != nil}
		f.exchange(context.WithoutCancel(ctx), r, true)
		if r.err != nil {
			f.log.Warn("control was not told that this node leaves", "error", r.err)
		}
	}
	if l.f.disk != nil && l.written != l.f.Applied() {
		l.wrote(f.write())
	}
}
