package simulation

import (
	"context"
	"encoding/json"
	"slices"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// link appends an entry to the log, behind its head and with the hash of all through it. PostgreSQL's hash is another
// one: nobody makes it again.
func (d *database) link(entry controllog.Row) {
	t := &d.state
	entry.Prev = t.head()
	if n := len(t.log); n > 0 {
		entry.PrevChain = t.log[n-1].Chain
	}
	entry.Chain = mix(entry.PrevChain ^ entry.Epoch)
	for _, text := range []string{entry.ID, entry.Kind, string(entry.Body)} {
		for i := range len(text) {
			entry.Chain = mix(entry.Chain ^ uint64(text[i]))
		}
	}
	entry.Chain |= 1 // 0 is none
	if d.flaws.numbersByInsert || d.flaws.reuse {
		entry.Chain, entry.PrevChain = 0, 0 // it would give the flaw away
	}
	t.log = append(t.log, entry)
}

// chain is the hash of the log.
func (t *tables) chain() uint64 {
	if len(t.log) == 0 {
		return 0
	}
	return t.log[len(t.log)-1].Chain
}

func (s *session) Find(ctx context.Context, epoch uint64) (found postgres.Found, err error) {
	err = s.statement(ctx, func(d *database) error {
		if rows := d.state.behind(epoch - 1); len(rows) > 0 && rows[0].Epoch == epoch {
			found.Chain = rows[0].Chain
		}
		found.Lost = d.state.isLost(epoch)
		return nil
	})
	return found, err
}

func (s *session) Lost(ctx context.Context, epoch uint64) error {
	return s.statement(ctx, func(d *database) error {
		if d.state.isLost(epoch) {
			d.state.lost = epoch
			d.moveOutbox()
		}
		return nil
	})
}

// isLost reports whether the log has jumped over an epoch and has purged nothing since.
func (t *tables) isLost(epoch uint64) bool {
	rows := t.behind(epoch)
	if len(rows) == 0 || rows[0].Prev == 0 || rows[0].Prev >= epoch {
		return false
	}
	return !slices.ContainsFunc(rows, func(r controllog.Row) bool { return purgesAll(r) != "" })
}

func (s *session) Branched(ctx context.Context, epoch, chain uint64) error {
	return s.statement(ctx, func(d *database) error {
		rows := d.state.behind(epoch - 1)
		if len(rows) == 0 || rows[0].Epoch != epoch || rows[0].Chain == chain {
			return nil
		}
		for _, r := range rows[1:] {
			if purgesAll(r) == "hard" {
				return nil
			}
		}
		d.state.branched = true
		d.moveOutbox()
		return nil
	})
}

// purgesAll is how an entry purges everything, if it is a term and does.
func purgesAll(r controllog.Row) string {
	var change controllog.TermChange
	if r.Kind != "term" || json.Unmarshal(r.Body, &change) != nil {
		return ""
	}
	return change.Purge
}
