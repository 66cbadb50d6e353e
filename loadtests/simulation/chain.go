package simulation

import (
	"context"
	"encoding/json"

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

func (s *session) ChainAt(ctx context.Context, epoch uint64) (chain uint64, err error) {
	err = s.statement(ctx, func(d *database) error {
		if rows := d.state.behind(epoch - 1); len(rows) > 0 && rows[0].Epoch == epoch {
			chain = rows[0].Chain
		}
		return nil
	})
	return chain, err
}

func (s *session) Branched(ctx context.Context, epoch, chain uint64) error {
	return s.statement(ctx, func(d *database) error {
		rows := d.state.behind(epoch - 1)
		if len(rows) == 0 || rows[0].Epoch != epoch || rows[0].Chain == chain {
			return nil
		}
		for _, r := range rows[1:] {
			if purgesHard(r) {
				return nil
			}
		}
		d.state.branched = true
		d.moveOutbox()
		return nil
	})
}

// purgesHard reports whether an entry is a term that purges everything hard.
func purgesHard(r controllog.Row) bool {
	var change controllog.TermChange
	return r.Kind == "term" && json.Unmarshal(r.Body, &change) == nil && change.Purge == "hard"
}
