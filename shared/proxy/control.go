package proxy

import (
	"context"
	"errors"
	"strconv"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// ControlLog is what a node knows of the control log: which purges there were, and whether it may be sure
// that there were no others. Its methods are called by every request and must not block, Reach apart.
type ControlLog interface {
	// Applied is the epoch up to which the node has applied the log. A use loads it before it calls Check,
	// so that what it passes on is never newer than what was checked.
	Applied() uint64
	// AppliedAt is what Applied was at that time, 0 when that is not known any more.
	AppliedAt(t time.Time) uint64
	// Check says whether a response with that stamp and those scopes still stands.
	Check(stamp uint64, scopes []object.Scope) invalidation.Verdict
	// Live reports whether the node holds a lease: whatever was purged before now minus the lease's time,
	// it has applied.
	Live(now time.Time) bool
	// Reach returns once the node has applied that epoch. Errors: controllog.ErrAboveHead when no such epoch
	// exists, controllog.ErrBehind when the node cannot catch up before the context ends.
	Reach(ctx context.Context, epoch uint64) error
}

// Fields by which tiers agree on what a response stands for.
const (
	// epochField is the response's stamp. Clients get it too and may send it back as minEpochField.
	epochField = "Tiercache-Epoch"
	// minEpochField asks for a response with at least that stamp.
	minEpochField = "Tiercache-Min-Epoch"
	// leaseField says, as leaseLive, that the node that answers, or one behind it, holds a lease.
	leaseField = "Tiercache-Lease"
	leaseLive  = "live"
	// staleField says, as staleIfError, that a tier's response is stale and stands in for one that did not come.
	staleField   = "Tiercache-Stale"
	staleIfError = "if-error"
	// askedField is what the node that asked the upstream had applied when it asked. It is sent where that is more
	// than the stamp: of an upstream that may lag no tier can know better, whatever it is told.
	askedField = "Tiercache-Asked"
	// settledField is sent with a request for what comes from an upstream that may lag: the epoch that the node had
	// applied as long ago as the upstream may lag. By now it must know what was purged until then.
	settledField = "Tiercache-Settled"
)

// reachTime bounds how long a request waits for the node to catch up with the epoch that it asks for.
const reachTime = 2 * time.Second

// errBehind: the next tier has not applied what this node has, not even when it was told to.
var errBehind = errors.New("the next tier is behind a purge that this node knows of")

// errNotLive: the service wants every answer to be vouched for by a node that holds a lease.
var errNotLive = errors.New("no node that holds a lease vouches for the response")

// unlogged stands for a control log where there is none: nothing was ever purged.
type unlogged struct{}

func (unlogged) Applied() uint64                                   { return 0 }
func (unlogged) AppliedAt(time.Time) uint64                        { return 0 }
func (unlogged) Check(uint64, []object.Scope) invalidation.Verdict { return invalidation.Live }
func (unlogged) Live(time.Time) bool                               { return true }
func (unlogged) Reach(context.Context, uint64) error               { return nil }

// parseEpoch reads an epoch field; 0 for none and for what is no epoch.
func parseEpoch(s string) uint64 {
	if s == "" || len(s) > 19 {
		return 0
	}
	epoch, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0
	}
	return epoch
}

// reach makes the node catch up with the epoch that the request asks for. What a client asks for only
// selects: an epoch that does not exist is ignored and counted.
func (p *Proxy) reach(r *request) *refusal {
	r.min = parseEpoch(r.header.Value(minEpochField))
	if r.min <= p.control.Applied() {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, reachTime)
	defer cancel()
	err := p.control.Reach(ctx, r.min)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, controllog.ErrAboveHead) && !r.tier:
		p.stats.EpochsIgnored.Add(1)
		r.min = 0
		return nil
	}
	return refusalBehind
}

// admits reports whether a response may answer the request: it was good at a moment after the request had
// arrived, or it still stands. A purge that came later than the request does not concern it.
func (p *Proxy) admits(r *request, res *result) bool {
	if res.head.Stamp >= r.epoch || p.lags(r, res) {
		return true
	}
	return p.control.Check(res.head.Stamp, res.head.Scopes) == invalidation.Live
}

// lags reports whether the response comes from an upstream that may lag and was asked after all purges that the request
// must not miss: to ask anew could bring nothing better.
//
// INVARIANT: that is so only for purges that the upstream may not know of when the request arrives. A fill that began
// earlier may miss one that it has come to know of meanwhile, as far as this node or the one that asks it can tell.
func (p *Proxy) lags(r *request, res *result) bool {
	if r.service.UpstreamLag == 0 || res.asked < r.epoch {
		return false
	}
	return !res.begun.Before(r.now) || res.head.Stamp >= p.settled(r)
}

// settled is the epoch of the last purge that the service's upstream must know of when the request arrives.
func (p *Proxy) settled(r *request) uint64 {
	own := p.control.AppliedAt(r.now.Add(-r.service.UpstreamLag))
	if r.tier {
		own = max(own, parseEpoch(r.header.Value(settledField)))
	}
	return own
}

// vouched reports whether the service's rule for partitions lets the response answer the request.
func (r *request) vouched(live bool) bool {
	return live || r.live || !r.service.Strict()
}

// appendControl appends the fields that say what the response stands for.
func (p *Proxy) appendControl(dst []byte, r *request, t *told) []byte {
	if r.tier && t.stale {
		dst = appendField(dst, staleField, staleIfError)
	}
	if !p.logged {
		return dst
	}
	if t.stamp > 0 {
		dst = appendEpoch(dst, epochField, t.stamp)
	}
	if r.tier && (t.live || r.live) {
		dst = appendField(dst, leaseField, leaseLive)
	}
	if r.tier && t.asked > t.stamp {
		dst = appendEpoch(dst, askedField, t.asked)
	}
	return dst
}

func appendEpoch(dst []byte, name string, epoch uint64) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = strconv.AppendUint(dst, epoch, 10)
	return append(dst, "\r\n"...)
}
