package members

import (
	"slices"
	"strings"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// Leases as control sees them.
const (
	LeaseLive   = "live"   // it was granted one lately, and no entry is missing for so long that the lease has ended
	LeaseFenced = "fenced" // the node cannot call itself current
)

// State is a member at one moment.
type State struct {
	Node, Tier, Region, Addr string
	Applied                  uint64
	Lag                      time.Duration // since this node saw the first entry that the member lacks; 0: none
	Lease                    string
	Renewed                  time.Time // zero: not since this control node started
	Draining                 bool      // it was told to say that it is not ready
}

// Kinds of a Change.
const (
	ChangeJoined = "joined"
	ChangeLeft   = "left"
	ChangeFenced = "fenced"
	ChangeBack   = "back" // no longer fenced
)

// Change is something that happened to a member.
type Change struct {
	At     time.Time
	Kind   string
	Member State
}

// Members are the members that have not left, by node.
func (t *Tracker) Members() []State {
	t.mu.Lock()
	defer t.mu.Unlock()
	states := make([]State, 0, len(t.mu.members))
	for _, m := range t.mu.members {
		if m.left.IsZero() {
			states = append(states, t.state(m))
		}
	}
	slices.SortFunc(states, func(a, b State) int { return strings.Compare(a.Node, b.Node) })
	return states
}

// state is what is known of a member. The mutex is held.
func (t *Tracker) state(m *member) State {
	now := t.now()
	s := State{
		Node: m.row.Node, Tier: m.row.Tier, Region: m.row.Region, Addr: m.row.Addr,
		Applied: m.applied, Lease: LeaseLive, Renewed: m.renewed, Draining: m.row.State == postgres.MemberLeaving,
	}
	if at, lacking := t.mu.seen.at(m.applied + 1); lacking {
		s.Lag = now.Sub(at)
	}
	if s.Lag > controllog.FenceTime || now.Sub(later(m.leased, m.elsewhere)) > controllog.FenceTime {
		s.Lease = LeaseFenced
	}
	return s
}

// Subscribe calls handle with what happens to members, within about a second and from one goroutine, until
// stop is called. handle must not block.
func (t *Tracker) Subscribe(handle func(Change)) (stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.subscribed++
	id := t.mu.subscribed
	t.mu.subscribers[id] = handle
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.mu.subscribers, id)
	}
}

// change notes something for the subscribers. The mutex is held.
func (t *Tracker) change(m *member, kind string) {
	if kind == ChangeJoined {
		m.told = LeaseLive
	}
	if len(t.mu.subscribers) > 0 {
		t.mu.pending = append(t.mu.pending, Change{At: t.now(), Kind: kind, Member: t.state(m)})
	}
}

// tell tells the subscribers what has happened, and who was fenced or is back.
func (t *Tracker) tell() {
	t.mu.Lock()
	for _, m := range t.mu.members {
		lease := t.state(m).Lease
		switch {
		case !m.left.IsZero() || lease == m.told:
			continue
		case lease == LeaseFenced:
			t.change(m, ChangeFenced)
		case m.told == LeaseFenced:
			t.change(m, ChangeBack)
		}
		m.told = lease
	}
	changes := t.mu.pending
	t.mu.pending = nil
	handlers := make([]func(Change), 0, len(t.mu.subscribers))
	for _, handle := range t.mu.subscribers {
		handlers = append(handlers, handle)
	}
	t.mu.Unlock()
	for _, c := range changes {
		for _, handle := range handlers {
			handle(c)
		}
	}
}
