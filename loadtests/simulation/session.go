package simulation

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// session is a control node's way to the database: sequencer.Log and members.Store. Its statements travel, and so may
// be done although their answer is lost.
type session struct {
	db     *database
	net    *network
	ep     *endpoint
	server *endpoint
}

// statement runs one transaction. Errors: postgres.ErrUnavailable, after which it may have been done.
func (s *session) statement(ctx context.Context, run func(d *database) error) error {
	limit := within(ctx, statementTime)
	if err := s.net.carry(limit, s.ep, s.server); err != nil {
		return postgres.ErrUnavailable
	}
	err := s.run(run)
	if hopped := s.net.carry(limit, s.server, s.ep); hopped != nil {
		return postgres.ErrUnavailable
	}
	return err
}

// statementTime bounds a statement, as the store of control does.
const statementTime = 2 * time.Second

func (s *session) run(run func(d *database) error) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if s.db.down {
		return postgres.ErrUnavailable
	}
	return run(s.db)
}

func (s *session) Poll(ctx context.Context, after uint64) (p postgres.Poll, err error) {
	err = s.statement(ctx, func(d *database) error {
		d.moveOutbox()
		p.Head, p.Chain, p.Compacted = d.state.head(), d.state.chain(), after < d.state.compacted
		if !p.Compacted {
			p.Rows = d.state.behind(after)
		}
		return nil
	})
	return p, err
}

func (s *session) Load(ctx context.Context, begin func(postgres.Loaded) error, row func(controllog.Row) error) error {
	var loaded postgres.Loaded
	var rows []controllog.Row
	err := s.statement(ctx, func(d *database) error {
		loaded = postgres.Loaded{Head: d.state.head(), Floor: d.state.compacted, Services: d.state.services()}
		rows = d.state.behind(loaded.Floor)
		return nil
	})
	if err != nil {
		return err
	}
	if err := begin(loaded); err != nil {
		return err
	}
	for _, r := range rows {
		if err := row(r); err != nil {
			return err
		}
	}
	return nil
}

// services are those that are active as of the head.
func (t *tables) services() []controllog.ServiceChange {
	newest := map[string]controllog.ServiceChange{}
	for _, r := range t.log {
		if r.Kind != "service" {
			continue
		}
		var change controllog.ServiceChange
		if json.Unmarshal(r.Body, &change) == nil {
			newest[change.Name] = change
		}
	}
	maps.DeleteFunc(newest, func(_ string, change controllog.ServiceChange) bool { return change.Document == nil })
	return slices.SortedFunc(maps.Values(newest), func(a, b controllog.ServiceChange) int { return cmp.Compare(a.Name, b.Name) })
}

// maxAhead is how far above the clock an epoch may be that a node claims to have.
const maxAhead = 24 * time.Hour

func (s *session) Heard(ctx context.Context, epoch uint64) error {
	return s.statement(ctx, func(d *database) error {
		if epoch > max(d.state.head(), uint64(time.Now().UnixMicro()))+uint64(maxAhead.Microseconds()) {
			return postgres.ErrInvalid
		}
		if epoch > d.state.head() {
			d.state.heard = max(d.state.heard, epoch)
		}
		d.moveOutbox()
		return nil
	})
}

func (s *session) HeardLately(ctx context.Context, within time.Duration) (n int, err error) {
	err = s.statement(ctx, func(d *database) error {
		since := uint64(time.Now().Add(-within).UnixMicro())
		for _, r := range d.state.log {
			if r.Kind == "term" && r.Epoch > since && (strings.Contains(string(r.Body), "a node has epoch ") || strings.Contains(string(r.Body), "has branched")) {
				n++
			}
		}
		return nil
	})
	return n, err
}

func (s *session) Members(ctx context.Context) (list []postgres.Member, err error) {
	err = s.statement(ctx, func(d *database) error {
		list = slices.SortedFunc(maps.Values(d.state.members), func(a, b postgres.Member) int { return cmp.Compare(a.Node, b.Node) })
		return nil
	})
	return list, err
}

func (s *session) Join(ctx context.Context, m postgres.Member, over *postgres.Member) (row postgres.Member, err error) {
	if m.Node == "" {
		return row, postgres.ErrInvalid
	}
	err = s.statement(ctx, func(d *database) error {
		before, there := d.state.members[m.Node]
		mine := there && before.Instance == m.Instance
		taken := there && !mine && !(over != nil && before.Instance == over.Instance && (over.Seen.IsZero() || before.Seen.Equal(over.Seen)))
		if taken {
			row = before
			return nil
		}
		if _, left := d.state.departed[m.Instance]; left {
			return postgres.ErrDeparted
		}
		row = m
		row.Registered, row.Seen, row.State = d.now(), d.now(), postgres.MemberServing
		if mine {
			row.Registered, row.State, row.Applied = before.Registered, before.State, max(before.Applied, m.Applied)
		}
		d.state.members[m.Node] = row
		return nil
	})
	return row, err
}

func (s *session) Leave(ctx context.Context, node, instance string, registered time.Time) error {
	return s.statement(ctx, func(d *database) error {
		m, there := d.state.members[node]
		if there && m.Instance == instance && (registered.IsZero() || m.Registered.Equal(registered)) {
			delete(d.state.members, node)
			d.state.departed[instance] = d.now()
		}
		return nil
	})
}

func (s *session) Remove(ctx context.Context, m postgres.Member) error {
	return s.statement(ctx, func(d *database) error {
		if now, there := d.state.members[m.Node]; !there || !now.Seen.Equal(m.Seen) || !now.Registered.Equal(m.Registered) {
			return postgres.ErrConflict
		}
		delete(d.state.members, m.Node)
		return nil
	})
}

func (s *session) SetMemberState(ctx context.Context, node, state string) error {
	return s.statement(ctx, func(d *database) error {
		m, there := d.state.members[node]
		switch {
		case !there:
			return postgres.ErrNotFound
		case state != postgres.MemberServing && state != postgres.MemberLeaving:
			return postgres.ErrInvalid
		}
		m.State = state
		d.state.members[node] = m
		return nil
	})
}

func (s *session) SaveRenewals(ctx context.Context, renewals []postgres.Renewal) (saved map[string]postgres.SavedRenewal, err error) {
	if len(renewals) == 0 {
		return nil, nil
	}
	saved = map[string]postgres.SavedRenewal{}
	err = s.statement(ctx, func(d *database) error {
		now := d.now()
		for _, r := range renewals {
			m, there := d.state.members[r.Node]
			if !there || !m.Registered.Equal(r.Registered) {
				continue
			}
			saved[r.Node] = postgres.SavedRenewal{Before: m.Seen, Seen: now}
			m.Applied, m.Seen = max(m.Applied, r.Applied), now
			d.state.members[r.Node] = m
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return saved, nil
}

func (s *session) ForgetDeparted(ctx context.Context, olderThan time.Duration, keep int) error {
	return s.statement(ctx, func(d *database) error {
		limit := d.now().Add(-olderThan)
		if times := slices.SortedFunc(maps.Values(d.state.departed), time.Time.Compare); len(times) > keep && keep > 0 && limit.Before(times[len(times)-keep]) {
			limit = times[len(times)-keep]
		}
		maps.DeleteFunc(d.state.departed, func(_ string, at time.Time) bool { return at.Before(limit) })
		return nil
	})
}

func (s *session) DropMembers(ctx context.Context, olderThan time.Duration, silent []postgres.Member) (nodes []string, err error) {
	err = s.statement(ctx, func(d *database) error {
		limit := d.now().Add(-olderThan)
		for _, m := range silent {
			if now, there := d.state.members[m.Node]; there && now.Seen.Equal(m.Seen) && now.Seen.Before(limit) {
				delete(d.state.members, m.Node)
				nodes = append(nodes, m.Node)
			}
		}
		return nil
	})
	return nodes, err
}
