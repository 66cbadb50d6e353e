package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"tiercache/shared/cachekey"
	"tiercache/shared/flight"
	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/policy"
)

// Limits of fills.
const (
	// fillDeadline bounds a fill that is being stored, body included. It is the fill's own: clients
	// that leave do not end it.
	fillDeadline = 15 * time.Minute
	// waitSlack is how much longer a waiter waits than the upstream is given.
	waitSlack = 6 * time.Second
)

// Errors of fills.
var (
	errPanic   = errors.New("fill panicked")
	errUnasked = errors.New("upstream sent 304 to an unconditional request")
	// errPurged: between two looks at it a purge has killed the response that was to stand in for an error.
	errPurged = fmt.Errorf("%w: what could stand in for its response was purged", ErrUnreachable)
)

// fill is the work of one flight: one request to the upstream on behalf of all that wait. It owns all
// that it uses, since the request that began it may be gone before it ends.
type fill struct {
	p       *Proxy
	ctx     context.Context // carries the trace; never ends by itself
	service *policy.Match
	ruling  policy.Ruling
	rules   httpcache.Policy
	parsed  httpcache.Request
	request *Request
	header  httpcache.Fields // of the request that began it: it selects the variant
	negotiation
	primary []byte // whole primary key
	looked  []byte // whole key of the entry that was looked for last: the primary or a variant
	stored  *base  // what is revalidated; nil for a miss
	found   string // store key of what was found, even after stored was given up; "" for a miss
	fwd     httpcache.FwdReason

	background bool // nobody waits: give up when there is no room

	epoch    uint64 // applied by this node when the attempt began
	need     uint64 // applied by this node when the first attempt began: what a tier's answer must not miss
	insisted bool   // the next tier was told what is needed

	release func() // gives the service's slot back; set by run
}

// newFill copies what the fill needs of the request.
func (p *Proxy) newFill(r *request, stored *base, fwd httpcache.FwdReason) *fill {
	primary := append([]byte(nil), r.key[:r.primary]...)
	f := &fill{
		p: p, ctx: context.WithoutCancel(r.ctx), service: r.service, ruling: r.ruling, rules: r.rules, parsed: r.parsed,
		primary: primary, looked: append([]byte(nil), r.variantKey()...), stored: stored, fwd: fwd, header: cloneFields(r.header),
		request: &Request{
			Method: http.MethodGet, Scheme: strings.Clone(r.scheme), Host: strings.Clone(r.host),
			Target: strings.Clone(r.target), Header: p.forward(r, httpcache.FillFields(r.header)), Digest: cachekey.Digest(primary),
		},
	}
	f.negotiation = r.negotiation
	f.rewrite(&f.request.Header, r.header)
	f.parsed.Method = httpcache.MethodGet
	if stored != nil {
		f.found = stored.key
		f.request.Header = append(f.request.Header, httpcache.Conditional(stored.head.Fields)...)
	}
	return f
}

func cloneFields(h httpcache.Header) httpcache.Fields {
	var list httpcache.Fields
	for name, value := range h.All() {
		list = append(list, httpcache.Field{Name: name, Value: value})
	}
	return list.Clone()
}

// start runs the fill in its own goroutine, which outlives the request.
func (p *Proxy) start(job *fill, f *flight.Flight[*result]) {
	p.fills.begin()
	job.wantHints(f)
	go func() {
		defer p.fills.end()
		defer f.Release()
		defer failPanicked(p.log, job.service.Name, f.Fail)
		job.run(f)
	}()
}

// failPanicked makes a panic of a goroutine that others wait for an error, which ends their requests instead of the
// process. It is for defer.
func failPanicked(log *slog.Logger, service string, fail func(error)) {
	if v := recover(); v != nil {
		log.Error("fill panicked", "service", service, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		fail(errPanic)
	}
}

// run takes a slot of the service and fetches.
func (j *fill) run(f *flight.Flight[*result]) {
	wait := j.p.cfg.FillWait
	if j.background {
		wait = 0
	}
	release, ok := j.p.limits.acquire(j.ctx, j.service.Name, wait)
	if !ok {
		j.p.stats.Busy.Add(1)
		j.failed(f, ErrBusy, 0)
		return
	}
	j.release = release
	j.p.stats.Fills.Add(1)
	ctx, span := j.p.tracer.Start(j.ctx, "fill")
	defer span.End()
	ctx, cancel := context.WithCancelCause(ctx)
	kept := false
	defer func() { // also when the fill panics
		if !kept {
			cancel(nil)
			j.release()
		}
	}()
	kept = j.fetch(ctx, cancel, f)
}

// fetch makes the request and publishes what it yields. It reports true when context and slot are still
// needed, because a client is reading the response's body; they end with that.
func (j *fill) fetch(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result]) (keep bool) {
	started := j.p.now()
	j.epoch = j.p.control.Applied() // before the request: a purge from now on counts against what it yields
	if j.need == 0 {
		j.need = j.epoch
	}
	injectTrace(ctx, &j.request.Header)
	response, err := j.p.upstream.Fetch(ctx, j.service, j.request)
	if err != nil {
		j.p.stats.UpstreamErrors.Add(1)
		j.failed(f, err, 0)
		return false
	}
	received := j.p.now()
	switch {
	case httpcache.ErrorStatus(response.Status) && j.mayServeStale(), j.noBetter(response):
		j.closeBody(response)
		j.failed(f, errPurged, response.Status)
		return false
	case response.Status == http.StatusNotModified && j.stored != nil:
		j.closeBody(response)
		return j.freshen(ctx, cancel, f, response, started, received)
	case response.Status == http.StatusNotModified:
		j.closeBody(response)
		j.failed(f, errUnasked, response.Status)
		return false
	}
	return j.take(ctx, cancel, f, response, started, received)
}

// mayServeStale reports whether the stored response may stand in for one that did not come. One that a hard
// purge has killed never may.
func (j *fill) mayServeStale() bool {
	if j.stored == nil || j.p.control.Check(j.stored.head.Stamp, j.stored.head.Scopes) == invalidation.Dead {
		return false
	}
	return httpcache.MayServeOnError(&j.stored.head.Meta, &j.parsed, j.p.now(), &j.rules)
}

// noBetter reports whether a tier's response, stale itself, is no better than what is stored here and may stand in for
// an error as well: it confirms nothing, and what it brings could be older. What is stored here counts for nothing where
// this node would have to hold a lease.
func (j *fill) noBetter(response *Response) bool {
	if !isStale(response) || !j.mayServeStale() || j.service.Strict() && !j.p.control.Live(j.p.now()) {
		return false
	}
	return response.Status == http.StatusNotModified || j.stored.head.Stamp > parseEpoch(value(response.Header, epochField))
}

// failed publishes the stored response if it may be served on an error (RFC 5861, 4), else the error.
func (j *fill) failed(f *flight.Flight[*result], err error, status int) {
	f.Detach()
	if j.background {
		j.p.resting.rest(j.found, j.p.now())
	}
	if j.background && errors.Is(err, ErrBusy) {
		f.Publish(&result{alone: true, fwd: j.fwd}) // who has joined waits for a turn of its own
		return
	}
	if !j.mayServeStale() {
		f.Fail(err)
		return
	}
	res := j.storedResult(status)
	res.outcome, res.stale = httpcache.Stale, true
	f.Publish(res)
}

// storedResult is a result with the stored response's head and body.
func (j *fill) storedResult(status int) *result {
	return &result{
		head: j.stored.head, inline: j.stored.inline, key: j.stored.key,
		fwd: j.fwd, fwdStatus: status, reason: httpcache.ReasonNone,
	}
}

// closeBody gives up the rest of a body that nobody needs.
func (j *fill) closeBody(response *Response) {
	if err := response.Body.Close(); err != nil {
		j.p.stats.UpstreamErrors.Add(1)
	}
}
