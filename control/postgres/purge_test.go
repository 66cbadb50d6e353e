package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"tiercache/shared/controllog"
)

func admin() Actor { return Actor{Token: "tok_a", Name: "admin", From: "127.0.0.1"} }

// newPurge is a purge of tags, an entry for each.
func newPurge(id, key string, tags ...string) NewPurge {
	request, _ := json.Marshal(map[string]any{"tags": tags}) // strings can be marshalled
	p := NewPurge{ID: id, Key: key, By: admin(), Request: request}
	for _, tag := range tags {
		p.Entries = append(p.Entries, controllog.Purge{Tags: []string{tag}})
	}
	return p
}

func addPurge(t testing.TB, s *Store, id, key string, tags ...string) PurgeRecord {
	t.Helper()
	record, existed, err := s.AddPurge(context.Background(), newPurge(id, key, tags...))
	if err != nil || existed {
		t.Fatalf("purge %s: existed %t, %v", id, existed, err)
	}
	return record
}

func TestPurge_FromTheRequestToTheReceipt(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	head := underWay(t, s)
	record := addPurge(t, s, "p", "", "x", "y", "z")
	if record.First != head+1 || record.Last != head+3 || record.Entries != 3 || record.Created.IsZero() || record.By != admin() {
		t.Errorf("recorded: %+v", record)
	}
	addPurge(t, s, "p0", "", "w") // its ids sort behind those of p
	rows, _ := follow(t, s, head)
	wantIDs(t, rows, "p/0", "p/1", "p/2", "p0/0")
	if e, err := rows[1].Entry(); err != nil || len(e.Scopes) != 1 {
		t.Errorf("an entry: %+v, %v", e, err)
	}
	got, err := s.Purge(ctx, "p")
	if err != nil || got.First != head+1 || got.Last != head+3 || !got.Finished.IsZero() || got.Receipt != nil {
		t.Errorf("sequenced: %+v, %v", got, err)
	}
	for _, receipt := range []string{`{"state": "complete"}`, `{"state": "late"}`} {
		if err := s.FinishPurge(ctx, "p", json.RawMessage(receipt)); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, s, "DELETE FROM tiercache.log WHERE id LIKE 'p/%'")
	got, err = s.Purge(ctx, "p")
	if err != nil || string(got.Receipt) != `{"state": "complete"}` || got.Finished.IsZero() || got.First != head+1 || got.Last != head+3 {
		t.Errorf("finished: %+v, %v", got, err)
	}
	if _, err := s.Purge(ctx, "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if err := s.FinishPurge(ctx, "nobody", json.RawMessage(`{}`)); !errors.Is(err, ErrNotFound) {
		t.Errorf("finish an unknown one: %v", err)
	}
	activity, err := s.Activities(ctx, 0, 10)
	if err != nil || len(activity) != 2 || activity[1].Action != "purge" || activity[1].Subject != "p" || activity[1].Who != "admin" || activity[1].From != "127.0.0.1" {
		t.Errorf("activity: %+v, %v", activity, err)
	}
}

func TestPurge_ARepeatedRequestIsOnePurge(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{MaxConns: 16})
	_, head := follow(t, s, 0)
	var wg sync.WaitGroup
	var fresh atomic.Int32
	for i := range 12 {
		wg.Go(func() {
			record, existed, err := s.AddPurge(ctx, newPurge(fmt.Sprint("id", i), "key", "x"))
			if err != nil || record.Key != "key" {
				t.Errorf("%+v, %v", record, err)
			}
			if !existed {
				fresh.Add(1)
			}
		})
	}
	wg.Wait()
	rows, _ := follow(t, s, head)
	if fresh.Load() != 1 || len(rows) != 1 {
		t.Errorf("%d purges, %d entries of one request", fresh.Load(), len(rows))
	}
	if _, _, err := s.AddPurge(ctx, newPurge("other", "key", "y")); !errors.Is(err, ErrConflict) {
		t.Errorf("the key with another request: %v", err)
	}
	somebody := newPurge("theirs", "key", "y")
	somebody.By.Token = "tok_b" // of the same name
	if _, existed, err := s.AddPurge(ctx, somebody); err != nil || existed {
		t.Errorf("the key of somebody else: existed %t, %v", existed, err)
	}
	if _, _, err := s.AddPurge(ctx, newPurge("theirs", "", "y")); !errors.Is(err, ErrConflict) {
		t.Errorf("an id that is taken: %v", err)
	}
}

func TestPurge_RefusedWhole(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	nul := newPurge("nul", "", "x")
	nul.Request = json.RawMessage(`{"tags": ["a\u0000b"]}`)
	noText := newPurge("text", "", "x")
	noText.Request = json.RawMessage(`{`)
	empty := newPurge("empty", "", "x")
	empty.Entries = append(empty.Entries, controllog.Purge{})
	for _, p := range []NewPurge{newPurge("none", ""), empty, newPurge("a/b", "", "x"), newPurge("", "", "x"), nul, noText} {
		if _, _, err := s.AddPurge(ctx, p); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", p.ID, err)
		}
	}
	if rows, _ := follow(t, s, head); len(rows) != 0 {
		t.Errorf("refused, and in the log: %v", ids(rows))
	}
}

func TestPurges_NewestFirst(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	for i := range 5 {
		addPurge(t, s, fmt.Sprint("p", i), "", "x")
	}
	poll1(t, s, 0)
	for _, c := range []struct {
		before string
		limit  int
		want   string
	}{{"", 2, "[p4 p3]"}, {"p3", 2, "[p2 p1]"}, {"p1", 10, "[p0]"}, {"p0", 10, "[]"}, {"unknown", 10, "[]"}, {"", 0, "[p4]"}} {
		found, err := s.Purges(ctx, c.before, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, p := range found {
			names = append(names, p.ID)
			if p.First == 0 {
				t.Errorf("%s has no epoch", p.ID)
			}
		}
		if fmt.Sprint(names) != c.want {
			t.Errorf("before %q, %d: %v, want %s", c.before, c.limit, names, c.want)
		}
	}
}
