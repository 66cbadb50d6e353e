package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tiercache/control/members"
	"tiercache/control/postgres"
	"tiercache/control/sequencer"
	"tiercache/shared/bus"
	"tiercache/shared/controllog"
)

const (
	// maxRenew bounds a renewal, and a request for entries, in bytes.
	maxRenew = 4 << 10

	// Timeout bounds the answer to a node, which asks again sooner than that.
	Timeout = 5 * time.Second

	// maxNodeRequests bounds the requests of nodes in progress; one above that is not answered.
	maxNodeRequests = 4096
)

// errRenew: a message is no renewal of the node that sent it.
var errRenew = errors.New("bad renewal")

// Bus is how nodes ask: bus.Bus is one.
type Bus interface {
	ServeRenew(handle func(tier, node string, payload []byte, reply func([]byte))) (stop func(), err error)
	ServeFetch(handle func(tier string, payload []byte, reply func([]byte))) (stop func(), err error)
}

// Deps are what Nodes works with.
type Deps struct {
	Sequencer *sequencer.Sequencer
	Members   *members.Tracker
	Bus       Bus          // nil: nodes ask over HTTP
	Secret    string       // of the fleet; empty: nobody is let in over HTTP
	Log       *slog.Logger // nil discards
}

// Nodes answers the nodes' renewals and requests for entries. Its methods are safe for concurrent use.
type Nodes struct {
	deps  Deps
	slots chan struct{} // holds one for each request in progress
}

// New returns what answers the nodes; Run makes it answer on the bus.
func New(deps Deps) *Nodes {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	return &Nodes{deps: deps, slots: make(chan struct{}, maxNodeRequests)}
}

// Run answers on the bus until ctx ends.
func (n *Nodes) Run(ctx context.Context, ready func()) error {
	defer n.drain()
	if b := n.deps.Bus; b != nil {
		stopRenew, err := b.ServeRenew(func(tier, node string, payload []byte, reply func([]byte)) {
			n.heardRenew(ctx, tier, node, payload, reply)
		})
		if err != nil {
			return err
		}
		defer stopRenew()
		stopFetch, err := b.ServeFetch(func(_ string, payload []byte, reply func([]byte)) { n.heardFetch(ctx, payload, reply) })
		if err != nil {
			return err
		}
		defer stopFetch()
	}
	ready()
	<-ctx.Done()
	return nil
}

// drain waits for the requests in progress.
func (n *Nodes) drain() {
	for range maxNodeRequests {
		n.slots <- struct{}{}
	}
}

// heardRenew takes a renewal from the bus. What it says counts in the order of arrival; the answer waits for
// PostgreSQL elsewhere.
func (n *Nodes) heardRenew(ctx context.Context, tier, node string, payload []byte, reply func([]byte)) {
	r, err := decodeRenew(payload)
	if err != nil || r.Tier != tier || r.Node != node {
		return // the server vouches for the subject alone
	}
	if r.Report {
		n.heardReport(ctx, r)
		return
	}
	standing := n.arrived(r)
	n.spawn(ctx, func(ctx context.Context) {
		answer := n.answer(ctx, r, standing)
		if encoded, err := answer.AppendJSON(nil); err == nil {
			reply(encoded)
		}
	})
}

// heardReport takes a report. That of a node which is quicker than this one waits until this one has read the log.
func (n *Nodes) heardReport(ctx context.Context, r *controllog.Renew) {
	if r.Applied <= n.deps.Sequencer.Applied() {
		n.arrived(r)
		return
	}
	n.spawn(ctx, func(ctx context.Context) {
		if _, err := n.deps.Sequencer.Head(ctx); err == nil {
			n.arrived(r)
		}
	})
}

// spawn runs work in a goroutine of its own, unless there are too many.
func (n *Nodes) spawn(ctx context.Context, work func(context.Context)) {
	select {
	case n.slots <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-n.slots }()
		ctx, cancel := context.WithTimeout(ctx, Timeout)
		defer cancel()
		work(ctx)
	}()
}

// decodeRenew reads a renewal. Errors: errRenew.
func decodeRenew(payload []byte) (*controllog.Renew, error) {
	if len(payload) > maxRenew {
		return nil, fmt.Errorf("%w: %d bytes", errRenew, len(payload))
	}
	r, err := controllog.DecodeRenew(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRenew, err)
	}
	// The tier is one of two, so that what bounds the members of each bounds them all.
	if r.Tier != "edge" && r.Tier != "regional" {
		return nil, fmt.Errorf("%w: the tier %.20q has no members", errRenew, r.Tier)
	}
	err = errors.Join(bus.ValidName(r.Node), bus.ValidName(r.Instance))
	if r.Replaces != "" {
		err = errors.Join(err, bus.ValidName(r.Replaces))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRenew, err)
	}
	return r, nil
}

// arrived takes what a renewal says, without waiting for anything.
func (n *Nodes) arrived(r *controllog.Renew) members.Standing {
	switch {
	case r.Leave:
		n.deps.Members.Leave(r)
		return members.Unknown
	case r.Join:
		return members.Known
	}
	return n.deps.Members.Report(n.vouched(r))
}

// vouched is the renewal as far as it is known to be about this log.
//
// INVARIANT: what a node has applied counts as applied only if its entries are those of the log. On another branch the
// same numbers stand for other purges.
func (n *Nodes) vouched(r *controllog.Renew) *controllog.Renew {
	if same, _ := n.deps.Sequencer.Shares(r.Applied, r.Chain); same {
		return r
	}
	doubtful := *r
	doubtful.Applied = 0
	return &doubtful
}

// answer gives a lease, or says why not.
func (n *Nodes) answer(ctx context.Context, r *controllog.Renew, standing members.Standing) controllog.RenewReply {
	refused := func(why string) controllog.RenewReply {
		return controllog.RenewReply{Nonce: r.Nonce, Refused: why}
	}
	switch {
	case r.Leave:
		_ = n.deps.Members.Depart(ctx, r) // tried again by the next refresh
		return refused("the node has left")
	case standing == members.Starting:
		return refused("control is starting: it does not know the members yet")
	case standing == members.Unknown:
		return refused(controllog.RefusedUnknown)
	}
	if r.Join {
		// INVARIANT: the row is committed before the head read begins: see members.Tracker.Join.
		err := n.deps.Members.Join(ctx, n.vouched(r))
		var taken *members.TakenError
		switch {
		case errors.As(err, &taken):
			return controllog.RenewReply{Nonce: r.Nonce, Refused: taken.Error(), Taken: true}
		case err != nil:
			return refused("the node cannot be registered: " + Outside(err))
		}
	}
	head, err := n.head(ctx, r)
	switch {
	case errors.Is(err, errBranched):
		return controllog.RenewReply{Nonce: r.Nonce, Refused: err.Error(), Branched: true}
	case err != nil:
		return refused(Outside(err))
	}
	// INVARIANT: whether it is a member is asked last. It may have been one when the request came and be none now.
	terms, err := n.deps.Members.Grant(ctx, r)
	switch {
	case errors.Is(err, members.ErrUnknown):
		return refused(controllog.RefusedUnknown)
	case err != nil:
		return refused(Outside(err))
	}
	return controllog.RenewReply{Nonce: r.Nonce, Head: head, Drain: terms.Drain, ReportMicros: terms.ReportEvery.Microseconds()}
}

// errBranched: what a node has applied is another branch of the log.
var errBranched = errors.New("what this node has applied is another branch of the control log")

// head reads the head for a node. When the node is ahead of it, or has applied what is not in it any more, the log was set
// back: then it goes on above the node, and has purged everything. Errors: errBranched, after which all that was stored
// before is dead; those of the sequencer.
func (n *Nodes) head(ctx context.Context, r *controllog.Renew) (uint64, error) {
	s := n.deps.Sequencer
	if r.Lost > 0 {
		if err := s.Lost(ctx, r.Node, r.Lost); err != nil {
			return 0, err
		}
	}
	head, err := s.Head(ctx)
	if err != nil {
		return 0, err
	}
	if r.Applied > head {
		err = s.Ahead(ctx, r.Node, r.Applied)
	} else {
		if err = n.confirm(ctx, r, head); !errors.Is(err, sequencer.ErrLost) {
			return head, err
		}
		err = s.Lost(ctx, r.Node, r.Applied)
	}
	if err != nil {
		return 0, err
	}
	if head, err = s.Head(ctx); err != nil {
		return 0, err
	}
	n.deps.Members.Distrust(r, head)
	return head, nil
}

// confirm is nil for a node whose entries are those of the log.
func (n *Nodes) confirm(ctx context.Context, r *controllog.Renew, head uint64) error {
	err := n.deps.Sequencer.Confirm(ctx, r.Applied, r.Chain)
	if !errors.Is(err, sequencer.ErrBranched) {
		return err
	}
	n.deps.Members.Distrust(r, head)
	// Where this fails, or was asked for too often, the node still gives up all that it has stored itself.
	if err := n.deps.Sequencer.Branched(ctx, r.Node, r.Applied, r.Chain); err != nil {
		n.deps.Log.Warn("a node comes from another branch of the control log, and only what it has stored itself is given up", "node", r.Node, "error", err)
	}
	return errBranched
}

// Outside is an error as a node is told it: without internals.
func Outside(err error) string {
	if errors.Is(err, postgres.ErrUnavailable) {
		return "PostgreSQL is away"
	}
	return err.Error()
}

// heardFetch answers a request for entries from the bus.
func (n *Nodes) heardFetch(ctx context.Context, payload []byte, reply func([]byte)) {
	var request controllog.Fetch
	if len(payload) > maxRenew || json.Unmarshal(payload, &request) != nil {
		return
	}
	n.spawn(ctx, func(ctx context.Context) {
		answer := n.entries(ctx, request)
		if encoded, err := answer.AppendBinary(nil); err == nil {
			reply(encoded)
		}
	})
}

// entries are those behind an epoch.
func (n *Nodes) entries(ctx context.Context, request controllog.Fetch) controllog.FetchReply {
	entries, head, err := n.deps.Sequencer.Entries(ctx, request.After, controllog.MaxFetch)
	// Asked last, when this node has read the log through there. Entries that follow say by themselves what they follow.
	if same, known := n.deps.Sequencer.Shares(request.After, request.Chain); known && !same {
		return controllog.FetchReply{Head: head, Branched: true}
	}
	switch {
	case errors.Is(err, postgres.ErrCompacted):
		return controllog.FetchReply{Head: head, Compacted: true}
	case err != nil:
		return controllog.FetchReply{Refused: Outside(err)}
	}
	return controllog.FetchReply{Head: head, Entries: entries}
}
