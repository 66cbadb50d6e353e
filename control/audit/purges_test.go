package audit

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// rowOf is a row of the log.
func rowOf(t rapid.TB, epoch, prev uint64, kind string, body any) controllog.Row {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return controllog.Row{Epoch: epoch, Prev: prev, Time: time.UnixMilli(int64(epoch) * 1000), ID: fmt.Sprint(epoch), Kind: kind, Body: encoded}
}

// drawLog is a log of purges of a few things, with terms between.
func drawLog(t *rapid.T) (rows []controllog.Row) {
	epoch := uint64(0)
	for range rapid.IntRange(0, 40).Draw(t, "entries") {
		prev := epoch
		mode := rapid.SampledFrom([]string{"hard", "soft"}).Draw(t, "mode")
		if rapid.IntRange(0, 9).Draw(t, "term") == 0 {
			epoch += rapid.Uint64Range(1, 9).Draw(t, "jump")
			rows = append(rows, rowOf(t, epoch, prev, "term", controllog.TermChange{Purge: rapid.SampledFrom([]string{"", "soft", "hard"}).Draw(t, "purge")}))
			continue
		}
		epoch++
		tags := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 2).Draw(t, "tags")
		purge := controllog.Purge{Mode: mode, Tags: tags, Service: rapid.SampledFrom([]string{"", "shop"}).Draw(t, "service")}
		if len(tags) == 0 { // now and then one of everything; one of nothing cannot be read, and is one of everything too
			purge.All = rapid.Bool().Draw(t, "all")
		}
		rows = append(rows, rowOf(t, epoch, prev, "purge", purge))
	}
	return rows
}

// TestPurges_AgreesWithANodesIndex compares what the audit and a node that loses nothing make of the same log.
func TestPurges_AgreesWithANodesIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawLog(t)
		purges, node := newPurges(1000), controllog.NewReplica(1000)
		for i := range rows {
			purges.add(&rows[i])
			e, _ := rows[i].Entry()
			if _, err := node.Apply(e); err != nil {
				t.Fatal(err)
			}
		}
		if len(rows) > 0 && purges.through() != rows[len(rows)-1].Epoch {
			t.Fatalf("through %d", purges.through())
		}
		for stamp := range purges.through() + 2 {
			for _, tags := range [][]string{nil, {"a"}, {"b", "c"}} {
				scopes, err := invalidation.AppendScopes(nil, &invalidation.Response{Service: "shop", Host: "h", Target: "/", Tags: tags})
				if err != nil {
					t.Fatal(err)
				}
				agree(t, purges, node.Index(), stamp, scopes)
			}
		}
	})
}

func agree(t *rapid.T, purges *purges, index *invalidation.Index, stamp uint64, scopes []object.Scope) {
	t.Helper()
	got, want := purges.judge(stamp, scopes), index.Check(stamp, scopes)
	switch {
	case want == invalidation.Live:
		if got != nil {
			t.Fatalf("stamp %d is live, the audit says %+v", stamp, got)
		}
	case got == nil || (got.mode == invalidation.Hard) != (want == invalidation.Dead):
		t.Fatalf("stamp %d is %v, the audit says %+v", stamp, want, got)
	case got.epoch <= stamp:
		t.Fatalf("stamp %d misses %+v, which is not newer", stamp, got)
	case !purges.at(got.epoch).Equal(time.UnixMilli(int64(got.epoch) * 1000)):
		t.Fatalf("%d was at %v", got.epoch, purges.at(got.epoch))
	}
}

// TestPurges_WhatIsForgottenIsSaid bounds the scopes: of older stamps less is known, and nothing is made up.
func TestPurges_WhatIsForgottenIsSaid(t *testing.T) {
	p := newPurges(100)
	tag := func(i uint64) []object.Scope {
		return []object.Scope{invalidation.TagScope("", fmt.Sprint("tag", i))}
	}
	for epoch := uint64(1); epoch <= 1000; epoch++ {
		row := rowOf(t, epoch, epoch-1, "purge", controllog.Purge{Tags: []string{fmt.Sprint("tag", epoch)}})
		p.add(&row)
	}
	if len(p.scopes) > 100 || p.exact < 900 || len(p.log) > 200 {
		t.Errorf("%d scopes, exact from %d, %d entries", len(p.scopes), p.exact, len(p.log))
	}
	for epoch := uint64(1); epoch <= 1000; epoch++ {
		if m := p.judge(epoch-1, tag(epoch)); (m != nil) != (epoch > p.exact) {
			t.Errorf("epoch %d: %+v, exact from %d", epoch, m, p.exact)
		}
	}
	p = newPurges(100)
	p.startAt(50)
	if p.exact != 50 {
		t.Errorf("a log that begins behind 50 is exact from %d", p.exact)
	}
}
