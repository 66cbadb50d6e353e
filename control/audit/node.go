package audit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"tiercache/control/client"
	"tiercache/shared/holdings"
	"tiercache/shared/invalidation"
)

const (
	// attempts is how often the walk through a node is begun anew, when it has broken off.
	attempts = 2
	// maxKept bounds the violations of one node that are told one by one; more are counted.
	maxKept = 10_000
)

// errLost: the answer with a page did not come.
var errLost = errors.New("a page was lost on its way")

// node audits one node. Errors are those of PostgreSQL and of ctx.
func (a *Auditor) node(ctx context.Context, n *client.Node, found func(*Violation)) (NodeReport, error) {
	for attempt := 1; ; attempt++ {
		w := walk{auditor: a, node: n, report: NodeReport{Node: n.Node, Tier: n.Tier, Region: n.Region}, began: time.Now()}
		err := w.run(ctx)
		var failed *nodeError
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return w.report, ctx.Err()
		case !errors.As(err, &failed):
			return w.report, err
		case failed.mayPass && attempt < attempts:
			continue
		default:
			w.report.Problem = failed.Error()
		}
		for i := range w.violations {
			found(&w.violations[i])
		}
		return w.report, nil
	}
}

// nodeError is what keeps a node from being audited.
type nodeError struct {
	err     error
	mayPass bool // another walk may get through
}

func (e *nodeError) Error() string { return e.err.Error() }
func (e *nodeError) Unwrap() error { return e.err }

// walk is one way through what a node holds.
type walk struct {
	auditor    *Auditor
	node       *client.Node
	report     NodeReport
	violations []Violation
	began      time.Time
}

func (w *walk) run(ctx context.Context) error {
	request := client.EntriesRequest{Service: w.auditor.cfg.Service}
	for number := 1; ; number++ {
		// INVARIANT: the log is read before the page is asked for.
		if err := w.auditor.advance(ctx); err != nil {
			return err
		}
		page, err := w.auditor.deps.Fleet.Entries(ctx, w.node.Node, request)
		if err == nil && page.Number != number {
			err = errLost
		}
		if err != nil {
			return w.failed(err, number)
		}
		if err := w.judge(ctx, &page); err != nil {
			return err
		}
		if page.Walk == "" {
			return nil
		}
		request.Walk = page.Walk
		if err := w.pace(ctx); err != nil {
			return err
		}
	}
}

// failed says whether to try once more: what a node that is there could not answer in time, or not again.
func (w *walk) failed(err error, number int) error {
	var problem *client.Problem
	conflict := errors.As(err, &problem) && problem.Status == http.StatusConflict
	return &nodeError{err: fmt.Errorf("page %d: %w", number, err), mayPass: number > 1 || conflict || errors.Is(err, errLost)}
}

// pace waits until the next page is due, well before the node would end the walk.
func (w *walk) pace(ctx context.Context) error {
	rate := w.auditor.cfg.Rate
	if rate <= 0 {
		return ctx.Err()
	}
	due := w.began.Add(time.Duration(float64(w.report.Entries) / float64(rate) * float64(time.Second)))
	timer := time.NewTimer(min(time.Until(due), holdings.WalkIdle/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// judge judges the entries of a page.
func (w *walk) judge(ctx context.Context, page *client.EntryPage) error {
	w.report.Entries += int64(len(page.Entries))
	w.report.Unreadable += int64(page.Unreadable)
	var own []*client.Entry
	for i := range page.Entries {
		e := &page.Entries[i]
		if e.Kind != client.KindResponse {
			continue // it holds no content
		}
		w.report.Judged++
		if e.Verdict == client.VerdictDead || e.Withheld {
			continue // who asks for it gets another one
		}
		w.report.Served++
		if e.Stamp < w.auditor.purges.exact {
			w.report.Partly++
		}
		missed := w.auditor.purges.judge(e.Stamp, holdings.Unpack(e.Scopes))
		switch {
		case missed != nil && (missed.mode == invalidation.Hard || e.Verdict == client.VerdictLive):
			w.purged(page, e, missed)
		case e.Own && e.Verdict == client.VerdictLive && e.Status == http.StatusOK && !e.Part && e.ETag != "":
			own = append(own, e)
		}
	}
	return w.compare(ctx, page, own)
}

// purged notes an entry that a purge concerns and that the node would serve.
func (w *walk) purged(page *client.EntryPage, e *client.Entry, m *missed) {
	v := w.violation(page, e)
	v.Kind, v.Epoch, v.Mode, v.At = KindMissed, m.epoch, m.mode.String(), w.auditor.purges.at(m.epoch)
	if page.Applied < m.epoch {
		v.Kind = KindBehind
	}
	if !v.At.IsZero() {
		v.StaleMS = w.auditor.now.Sub(v.At).Milliseconds()
	}
	w.note(v)
}

func (w *walk) violation(page *client.EntryPage, e *client.Entry) Violation {
	return Violation{
		Node: w.node.Node, Tier: w.node.Tier, Region: w.node.Region,
		Service: e.Service, URL: urlOf(e), Key: e.Key, Stamp: e.Stamp, Applied: page.Applied, Lease: page.Live,
	}
}

func (w *walk) note(v Violation) {
	w.report.Violations++
	if len(w.violations) < maxKept {
		w.violations = append(w.violations, v)
	}
}
