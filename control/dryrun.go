package control

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tiercache/control/client"
	"tiercache/control/members"
	"tiercache/shared/holdings"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

const (
	// dryRunTime bounds a dry run that does not say itself how long it may take.
	dryRunTime = 5 * time.Second
	// maxDryRuns is how many nodes are asked at a time.
	maxDryRuns = 64
)

// dryRun tells what a purge would concern on each node, within about that time.
func (c *Control) dryRun(ctx context.Context, plan *plan, within time.Duration) (client.Purge, error) {
	purge := client.Purge{State: client.StateDryRun, Mode: plan.mode.String(), Scopes: plan.scopes(), Nodes: []client.Receipt{}, Estimates: []client.Estimate{}}
	scopes, all, err := plan.named()
	if err != nil {
		return purge, err
	}
	if within == 0 {
		within = dryRunTime
	}
	patient(ctx, within)
	ctx, cancel := context.WithTimeout(ctx, within*95/100)
	defer cancel()
	question := holdings.NewCount(scopes, all, within*8/10)
	asked := c.members.Members()
	slices.SortStableFunc(asked, func(a, b members.State) int { return rank(a.Tier) - rank(b.Tier) })
	purge.Estimates = make([]client.Estimate, len(asked))
	var wg sync.WaitGroup
	turns := make(chan struct{}, maxDryRuns)
	for i := range asked {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			purge.Estimates[i] = c.estimate(ctx, &asked[i], question)
		})
	}
	wg.Wait()
	return purge, nil
}

// estimate asks one node. One that does not say is named with the reason.
func (c *Control) estimate(ctx context.Context, m *members.State, q holdings.Question) client.Estimate {
	e := client.Estimate{Node: m.Node, Tier: m.Tier, Region: m.Region}
	if len(q.Count.Scopes) > holdings.MaxCounted*len(object.Scope{}) {
		e.Problem = fmt.Sprintf("the purge names too much to be counted: at most %d hashes", holdings.MaxCounted)
		return e
	}
	a, err := c.ask(ctx, m, q)
	if err == nil && a.Count == nil {
		err = errNoAnswer
	}
	if err != nil {
		e.Problem = err.Error()
		return e
	}
	n := a.Count
	e.Objects, e.ObjectsError, e.Bytes, e.BytesError = n.Objects, n.ObjectsError, n.Bytes, n.BytesError
	e.Exact, e.Seen, e.Of = n.Exact, n.Seen, n.Of
	return e
}

// named are the scopes of the purge; all: it names everything.
func (p *plan) named() (scopes []object.Scope, all bool, err error) {
	for _, e := range p.entries() {
		_, some, err := e.Scopes()
		if err != nil {
			return nil, false, err // cannot be: it was checked
		}
		scopes = append(scopes, some...)
	}
	return scopes, slices.Contains(scopes, invalidation.AllScope()), nil
}
